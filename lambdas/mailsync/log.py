"""Define the logger of all modules. It writes JSON lines, each with a constant event name. The
values in a line are only ids and counts.

httpx logs whole URLs at level INFO, and a delta link contains a token. So this module sets the
level of httpx to WARNING.
"""

import logging

from aws_lambda_powertools import Logger

logger = Logger(service="mailsync", utc=True)

logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)
