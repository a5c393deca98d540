"""Define the dashboard's actions that change a simulated mailbox or inject faults, through the
simulators' control API `/_sim/`."""

from collections.abc import Mapping
from typing import Any

import httpx

from dashboard.actions import (
    ActionFailed,
    JsonAction,
    require_json_integer_member,
    require_json_text_member,
)
from dashboard.queries import DashboardQueries
from dashboard.sources import DashboardSources
from dashboard.to_json import JsonObject
from localdev.demo_account import connect, simulator
from localdev.engine.failure import StartFailed
from localdev.engine.simulator_process import ProviderSettings

MAX_SIMULATED_MESSAGES_PER_ACTION = 1000
SIMULATED_MAIL_SENDER = {"name": "The dashboard", "address": "dashboard@example.com"}
SIMULATED_MAIL_BODY = "Delivered by the dashboard, to be seen in the next sync."
SIMULATED_THROTTLING_DURATION_S = 30
HTTP_PATH_PATTERN, IMAP_COMMAND_PATTERN = "^/", "^(?!/).* [A-Z]"
"""Regular expressions of fault rules. The first matches the path of every HTTP request. The second
matches every IMAP command; its text in the simulator is `FOLDER COMMAND ARGUMENTS`, in which FOLDER
is the name of the open folder, or empty."""


class SimulatorActions:
    """Provides the dashboard's actions on the simulators. The attribute `known` contains the
    actions by name.

    Each action is a function from a JSON object to a JSON object. The actions raise the errors that
    `DashboardActions` lists.
    """

    def __init__(self, sources: DashboardSources, queries: DashboardQueries) -> None:
        self._sources = sources
        self._queries = queries
        self.known: Mapping[str, JsonAction] = {
            "connect": self._connect,
            "deliver": self._deliver,
            "move": self._move,
            "delete": lambda fields: self._to_message("delete", fields),
            "mark-read": lambda fields: self._to_message("mark-read", fields),
            "cut-network": lambda _: self._inject_faults(
                {"fault": {"cut": "before answer"}, "times": None}
            ),
            "restore-network": self._clear_faults,
            "throttle": self._throttle,
        }

    @property
    def _provider(self) -> ProviderSettings:
        if self._sources.simulated_provider_access_settings is None:
            raise ActionFailed(
                409, "Only the simulated provider has this action; this mail is real."
            )
        return self._sources.simulated_provider_access_settings

    def _control(self, action: str, **more: Any) -> JsonObject:
        try:
            response: JsonObject = simulator(self._provider, "POST", action, **more)
        except httpx.HTTPStatusError as refused:
            reason = refused.response.json()
            raise ActionFailed(409, f"{reason['error']}: {reason['message']}") from None
        return response

    def _connect(self, fields: JsonObject) -> JsonObject:
        """Connect a simulated mailbox as its owner would: by signing in, or by its password.

        If the address has no mailbox yet, an empty mailbox is created. Without an address, the
        first simulated mailbox is connected.
        """
        address = fields.get("address")
        token = self._sources.get_user_token_or_none()
        assert token is not None, "a simulated stack signs its own tokens"
        if address:
            name = require_json_text_member(fields, "address").partition("@")[0].title()
            self._control("mailboxes", address=address, display_name=name)
        try:
            account = connect(self._sources.api_url, self._provider, token, address)
        except StartFailed as failed:
            raise ActionFailed(502, str(failed)) from failed
        return {"accountId": account.id, "emailAddress": account.address}

    def _deliver(self, fields: JsonObject) -> JsonObject:
        count = require_json_integer_member(fields, "count", 1)
        if not 1 <= count <= MAX_SIMULATED_MESSAGES_PER_ACTION:
            raise ActionFailed(
                422,
                f"From 1 to {MAX_SIMULATED_MESSAGES_PER_ACTION} mails can be delivered at once.",
            )
        address, folder = (
            require_json_text_member(fields, "address"),
            fields.get("folder") or "inbox",
        )
        subject = fields.get("subject") or "A new mail"
        subjects = [f"{subject} {each + 1}" if count > 1 else subject for each in range(count)]
        mail = {
            "mailbox": address,
            "folder": folder,
            "sender": SIMULATED_MAIL_SENDER,
            "body": SIMULATED_MAIL_BODY,
        }
        ids = [self._control("deliver", subject=each, **mail)["id"] for each in subjects]
        return {"delivered": len(ids)}

    def _move(self, fields: JsonObject) -> JsonObject:
        """Move a message to the folder with the id `destination`."""
        destination = self._queries.read_folder_id_at_provider(
            require_json_integer_member(fields, "destination")
        )
        return self._to_message("move", fields, destination=destination)

    def _to_message(self, action: str, fields: JsonObject, **more: Any) -> JsonObject:
        message = self._queries.read_remote_id_and_mailbox(
            require_json_integer_member(fields, "messageId")
        )
        return self._control(
            action, mailbox=message["emailAddress"], id=message["remoteId"], **more
        )

    def _throttle(self, _: JsonObject) -> JsonObject:
        """Make the simulated provider reject every request for `SIMULATED_THROTTLING_DURATION_S`
        seconds: over HTTP with this number in Retry-After, over IMAP with the error text of
        Exchange."""
        lasts_s = SIMULATED_THROTTLING_DURATION_S
        http = {"status": 429, "code": "TooManyRequests", "retry_after": lasts_s}
        text = f"Request is throttled. Suggested Backoff Time: {lasts_s * 1000} milliseconds"
        rule = {"times": None, "lasts_s": lasts_s}
        return self._inject_faults(
            {"fault": http, "match": {"path": HTTP_PATH_PATTERN}, **rule},
            {
                "fault": {"imap": "BAD", "message": text},
                "match": {"path": IMAP_COMMAND_PATTERN},
                **rule,
            },
        )

    def _inject_faults(self, *rules: JsonObject) -> JsonObject:
        return self._control("faults", rules=rules)

    def _clear_faults(self, _: JsonObject) -> JsonObject:
        response: JsonObject = simulator(self._provider, "DELETE", "faults")
        return response
