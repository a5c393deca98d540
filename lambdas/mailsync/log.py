"""The logger of all modules: JSON lines with a constant event name; values are ids and counts only.

httpx logs whole URLs at INFO, and a delta link contains a token, so this module sets httpx to
WARNING.
"""

import logging

from aws_lambda_powertools import Logger

logger = Logger(service="mailsync", utc=True)

logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)
