"""The logger: JSON lines with a fixed event name and fixed keys; ids and counts only.

httpx logs whole URLs at INFO, and a delta link contains its token, so this module sets httpx to
WARNING. Every module takes the logger from here.
"""

import logging

from aws_lambda_powertools import Logger

logger = Logger(service="mailsync", utc=True)

logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)
