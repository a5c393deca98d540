"""Define what a handler of the simulated Gmail API takes and returns."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from localdev.simulators.gmail.attachment_ids import AttachmentIds
from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.errors import invalid_argument
from localdev.simulators.gmail.mailbox import GmailMailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailCall:
    """A request that has passed the token check, the faults and the quota.

    attachment_ids: the ids of attachments that are valid.
    names: the ids in the request's path. params: values of the query by name, in their order.
    body: the JSON of the request. None: the request has no body.
    """

    gmail: GmailMailbox
    attachment_ids: AttachmentIds
    names: tuple[str, ...]
    params: dict[str, list[str]]
    body: Any = None
    scopes: Collection[str] = field(default_factory=frozenset)

    @property
    def behaviour(self) -> GmailBehaviour:
        return self.gmail.behaviour

    def text(self, name: str) -> str | None:
        values = self.params.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> Sequence[str]:
        return self.params.get(name, [])

    def is_true(self, name: str) -> bool:
        """Return a boolean parameter; False if it is missing. Raises GmailError 400."""
        value = (self.text(name) or "false").lower()
        if value not in ("true", "false", "1", "0"):
            raise invalid_argument(f"Invalid value at '{name}' (TYPE_BOOL), \"{value}\"")
        return value in ("true", "1")

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return a parameter that has one of several values; the first is the default."""
        value = self.text(name)
        if value is None:
            return choices[0]
        if value.lower() not in [each.lower() for each in choices]:
            raise invalid_argument(f"Invalid value at '{name}' (TYPE_ENUM), \"{value}\"")
        return next(each for each in choices if each.lower() == value.lower())

    def page_size(self) -> int:
        """Return `maxResults`: 100 if it is missing, 500 at most. Raises GmailError 400."""
        value = self.text("maxResults")
        if value is None:
            return 100
        if not re.fullmatch(r"[0-9]{1,10}", value):
            raise invalid_argument(f"Invalid value at 'max_results' (TYPE_UINT32), \"{value}\"")
        return max(1, min(int(value) or 100, self.behaviour.largest_page))


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailResult:
    """The response of a handler. None as `document`: an empty body, status 204.

    full_message_count, bodiless_message_count: numbers of messages in the document with and without
        their bodies, from which the latency is computed.
    """

    document: Any
    full_message_count: int = 0
    bodiless_message_count: int = 0
