"""Audit records: one line in the log for each act of a person.

`docs/security.md` lists the events. Each has `audit: true`, so a query of the log can select them.
"""

from typing import Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.errors import SettingMissing
from mailsync.log import logger
from mailsync.settings import load_settings


def audit(
    event: APIGatewayProxyEventV2, name: str, user_id: str | None = None, **fields: Any
) -> None:
    """Log an act with its user, and the address of the request where the stage logs addresses.

    user_id: None if the sender of the request is unknown.
    """
    who: dict[str, Any] = {} if user_id is None else {"user_id": user_id}
    if _logs_addresses():
        who["source_ip"] = event.request_context.http.source_ip
    logger.info(name, audit=True, **who, **fields, stacklevel=3)


def _logs_addresses() -> bool:
    """Return the setting; False if it cannot be read, since the act is done by then."""
    try:
        return load_settings().log_source_ip
    except SettingMissing:
        return False
