"""The logger: JSON lines with a fixed event name and fixed keys, ids and counts only.

httpx prints whole URLs at INFO, and a delta link carries its token in the URL, so it is held
at WARNING here, where everybody gets the logger from.
"""

import logging

from aws_lambda_powertools import Logger

logger = Logger(service="mailsync", utc=True)

logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)
