"""Write audit records: one log line for each action of a user.

`docs/security.md` lists the events. Each record has `audit: true`, so a log query can select the
records.
"""

from typing import Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.errors import SettingMissing
from mailsync.log import logger
from mailsync.settings import load_settings


def write_audit_record(
    event: APIGatewayProxyEventV2, name: str, user_id: str | None = None, **fields: Any
) -> None:
    """Write the audit record of one action, with the source IP address if the stage logs addresses.

    name: name of the event, as docs/security.md lists it.
    user_id: the user who acted. None: the request is not authenticated.
    fields: further fields of the record.
    """
    actor: dict[str, Any] = {} if user_id is None else {"user_id": user_id}
    if _logs_source_ip():
        actor["source_ip"] = event.request_context.http.source_ip
    logger.info(name, audit=True, **actor, **fields, stacklevel=3)


def _logs_source_ip() -> bool:
    """Return whether this stage logs IP addresses; False if the setting cannot be read.

    A missing setting raises no error, because the action to record has already taken place.
    """
    try:
        return load_settings().is_source_ip_logged
    except SettingMissing:
        return False
