"""What happens in a simulated mailbox and on the way to it, by the simulators' back door."""

from collections.abc import Mapping
from typing import Any

import httpx

from dashboard.actions import Action, ActionFailed, number, text
from dashboard.queries import Queries
from dashboard.sources import Sources
from dashboard.to_json import Json
from localdev.demo_account import connect, simulator
from localdev.engine.failure import StartFailed
from localdev.engine.simulator_process import Provider

MAX_DELIVERY = 1000
SENDER = {"name": "The dashboard", "address": "dashboard@example.com"}
BODY = "Delivered by the dashboard, to be seen in the next sync."
_TOKEN_EXPIRED = {"status": 401, "code": "InvalidAuthenticationToken", "message": "Expired."}


class Simulation:
    """Each action takes and returns a JSON object. Raises as `Actions` does."""

    def __init__(self, sources: Sources, queries: Queries) -> None:
        self._sources = sources
        self._queries = queries
        self.known: Mapping[str, Action] = {
            "connect": self._connect,
            "deliver": self._deliver,
            "move": self._move,
            "delete": lambda asked: self._to_message("delete", asked),
            "mark-read": lambda asked: self._to_message("mark-read", asked),
            "expire-tokens": lambda _: self._inject_fault(_TOKEN_EXPIRED, times=1),
            "revoke": self._revoke,
            "cut-network": lambda _: self._inject_fault({"cut": "before response"}, times=None),
            "restore-network": self._clear_faults,
            "throttle": self._throttle,
            "clear-faults": self._clear_faults,
        }

    @property
    def _provider(self) -> Provider:
        if self._sources.provider is None:
            raise ActionFailed(409, "Only a simulated mailbox can be told that; this mail is real.")
        return self._sources.provider

    def _tell(self, action: str, **fields: Any) -> Json:
        try:
            response: Json = simulator(self._provider, "POST", action, **fields)
        except httpx.HTTPStatusError as refused:
            reason = refused.response.json()
            raise ActionFailed(409, f"{reason['error']}: {reason['message']}") from None
        return response

    def _connect(self, asked: Json) -> Json:
        """The whole sign-in, as a browser would do it; an unknown mailbox is made, empty."""
        address = asked.get("address")
        token = self._sources.token()
        assert token is not None, "a simulated stack signs its own tokens"
        if address:
            name = text(asked, "address").partition("@")[0].title()
            self._tell("mailboxes", address=address, display_name=name)
        try:
            account = connect(self._sources.api_url, self._provider, token, address)
        except StartFailed as failed:
            raise ActionFailed(502, str(failed)) from failed
        return {"accountId": account.id, "address": account.address}

    def _deliver(self, asked: Json) -> Json:
        count = number(asked, "count", 1)
        if not 1 <= count <= MAX_DELIVERY:
            raise ActionFailed(422, f"From 1 to {MAX_DELIVERY} mails can be delivered at once.")
        address, folder = text(asked, "address"), asked.get("folder") or "inbox"
        subject = asked.get("subject") or "A new mail"
        subjects = [f"{subject} {each + 1}" if count > 1 else subject for each in range(count)]
        mail = {"mailbox": address, "folder": folder, "sender": SENDER, "body": BODY}
        ids = [self._tell("deliver", subject=each, **mail)["id"] for each in subjects]
        return {"delivered": len(ids)}

    def _move(self, asked: Json) -> Json:
        """destination: the name of a role, such as `archive`, or one of our folder ids."""
        destination = asked.get("destination")
        if isinstance(destination, int):
            destination = self._queries.remote_folder(destination)
        return self._to_message("move", asked, destination=destination)

    def _to_message(self, action: str, asked: Json, **fields: Any) -> Json:
        message = self._queries.message(number(asked, "messageId"))
        return self._tell(
            action, mailbox=message["emailAddress"], id=message["messageId"], **fields
        )

    def _revoke(self, asked: Json) -> Json:
        """Seen at once, since the token in use is refused too."""
        response = self._tell("revoke", mailbox=text(asked, "address"))
        return {**response, **self._inject_fault(_TOKEN_EXPIRED, times=1)}

    def _throttle(self, asked: Json) -> Json:
        """For so many seconds every request is refused and told to come back after as many."""
        seconds = number(asked, "seconds")
        fault = {"status": 429, "code": "TooManyRequests", "retry_after": seconds}
        return self._inject_fault(fault, times=None, lasts_s=seconds)

    def _inject_fault(self, fault: Json, **rule: Any) -> Json:
        return self._tell("faults", rules=[{"fault": fault, **rule}])

    def _clear_faults(self, _: Json) -> Json:
        response: Json = simulator(self._provider, "DELETE", "faults")
        return response
