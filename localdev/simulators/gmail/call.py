"""Define the request that a handler of the simulated Gmail API takes, and the result that it
returns."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from localdev.simulators.gmail.attachment_ids import AttachmentIdRegistry
from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.errors import invalid_argument_error
from localdev.simulators.gmail.mailbox import GmailMailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailCall:
    """A request that has passed the token check, the quota and the injected faults.

    attachment_id_registry: the attachment ids that are valid now.
    resource_ids_in_path: the ids in the request's path, such as a message id.
    query_parameters: values of each query parameter by name, in the order of the query.
    json_body: the parsed JSON body. None: the request has no body.
    scopes: the scopes that the access token permits.
    """

    gmail_mailbox: GmailMailbox
    attachment_id_registry: AttachmentIdRegistry
    resource_ids_in_path: tuple[str, ...]
    query_parameters: dict[str, list[str]]
    json_body: Any = None
    scopes: Collection[str] = field(default_factory=frozenset)

    @property
    def behaviour_switches(self) -> GmailBehaviour:
        return self.gmail_mailbox.behaviour

    def read_text_parameter(self, name: str) -> str | None:
        values = self.query_parameters.get(name)
        return values[-1] if values else None

    def read_repeated_parameter(self, name: str) -> Sequence[str]:
        return self.query_parameters.get(name, [])

    def read_bool_parameter(self, name: str) -> bool:
        """Return whether the query parameter `name` is true. Return False if the query lacks it.
        Raises GmailError 400 if the value is not a boolean."""
        value = (self.read_text_parameter(name) or "false").lower()
        if value not in ("true", "false", "1", "0"):
            raise invalid_argument_error(f"Invalid value at '{name}' (TYPE_BOOL), \"{value}\"")
        return value in ("true", "1")

    def read_enum_parameter(self, name: str, choices: Sequence[str]) -> str:
        """Return the value of the query parameter `name`, spelt as in `choices`. Return the first
        of `choices` if the query lacks the parameter. Raises GmailError 400 for any other value."""
        value = self.read_text_parameter(name)
        if value is None:
            return choices[0]
        if value.lower() not in [each.lower() for each in choices]:
            raise invalid_argument_error(f"Invalid value at '{name}' (TYPE_ENUM), \"{value}\"")
        return next(each for each in choices if each.lower() == value.lower())

    def read_page_size(self) -> int:
        """Return the value of the parameter `maxResults`, at most `GmailBehaviour.largest_page`.
        Return 100 if the value is 0 or the query lacks the parameter. Raises GmailError 400 if the
        value is no number."""
        value = self.read_text_parameter("maxResults")
        if value is None:
            return 100
        if not re.fullmatch(r"[0-9]{1,10}", value):
            raise invalid_argument_error(
                f"Invalid value at 'max_results' (TYPE_UINT32), \"{value}\""
            )
        return max(1, min(int(value) or 100, self.behaviour_switches.largest_page))


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailResult:
    """The result of a handler.

    json_body: the JSON of the response. None: the response is empty, with status 204.
    messages_with_body_count, messages_without_body_count: numbers of messages in `json_body` with
        and without their bodies, from which the latency is computed.
    """

    json_body: Any
    messages_with_body_count: int = 0
    messages_without_body_count: int = 0
