"""Define the logger of all modules. It writes JSON lines, each with a constant event name. A
line contains ids, counts and names, such as error names, but no mail.

This module applies POWERTOOLS_LOG_LEVEL, the `log_level` of the stage, in the process. Lambda's own
log level is at most INFO. A higher level would drop the metrics, because Lambda treats a line
without `level` as INFO (AWS Lambda Developer Guide, "Log-level filtering"). Powertools alone would
prefer Lambda's log level to POWERTOOLS_LOG_LEVEL.

httpx logs whole URLs at level INFO, and a delta link contains a token. So this module sets the
level of httpx to WARNING. Other libraries never log below INFO: botocore logs the values of secrets
at level DEBUG.
"""

import logging
import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

_OMITTED_KEYS = ("function_arn", "function_memory_size")
"""Keys of Lambda's context that repeat what the log group and the catalog say. CloudWatch bills
each byte."""


class _Formatter(LambdaPowertoolsFormatter):
    def serialize(self, log: Any) -> str:
        for key in _OMITTED_KEYS:
            log.pop(key, None)
        return super().serialize(log)


logger = Logger(service="mailsync", logger_formatter=_Formatter(utc=True, use_rfc3339=True))

if _level := os.environ.get("POWERTOOLS_LOG_LEVEL"):
    logging.getLogger("mailsync").setLevel(_level)
    logging.getLogger().setLevel(max(logging.INFO, logging.getLogger("mailsync").level))
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)
