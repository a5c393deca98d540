"""One request after its doors (token, faults, throttle), and what is answered to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from localdev.simulators.behaviour import Behaviour
from localdev.simulators.graph.links import DeltaLinks
from localdev.simulators.graph.query import Preferences, Query
from localdev.simulators.graph.shapes import View
from localdev.simulators.mailbox import Mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`owner` is how the URL names the mailbox: `me` or `users('…')`; `names` its ids.

    `user_id` is who is signed in; None: the application asks for itself.
    """

    mailbox: Mailbox
    user_id: str | None
    owner_path: str
    path_ids: tuple[str, ...]
    query: Query
    prefer: Preferences
    headers: Mapping[str, str]
    body: Any
    base_url: str
    links: DeltaLinks
    behaviour: Behaviour

    @property
    def view(self) -> View:
        return self.view_of(self.query)

    def view_of(self, query: Query) -> View:
        return View(select=query.select("message"), immutable_ids=self.prefer.immutable_ids)

    def url(self, path: str, options: Mapping[str, str | int]) -> str:
        """Absolute, with ids in function form, as the service writes its links."""
        query = urlencode({f"${name}": value for name, value in options.items()}, safe="$,'")
        return f"{self.base_url}/{self.owner_path}/{path}?{query}"

    def odata_context(self, of: str) -> str:
        return f"{self.base_url}/$metadata#{of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """`full` and `lean` count the messages in it, with and without body, for the latency."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    full_message_count: int = 0
    bodiless_message_count: int = 0
