"""Where a dashboard looks: a stack's database, its state machines, its API, its simulators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localdev.engine.simulator_process import Provider
from mailsync.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """machines: ARNs of state machines by the name of the workflow.
    client: makes a boto3 client from the name of a service.
    dev_login: the API signs in programs of this machine, so that their token is no secret.
    token: of the person on whose behalf the API is called; None: there is none, so nothing can
        be started or stopped.
    provider: the simulated one; None: the mail is real.
    event_bus: where the dashboard may put events; None: nowhere.
    bodies: the text of mail is shown, and the beginning of it in lists.
    opened: hears of each mail whose text is shown: its account's id and its own.
    seen_events: what came over the bus, as far as it is kept, the oldest first: objects with
        `id`, `type`, `source`, `time`, `detail` and `outcome` (what its receiver answered).
    """

    stage: str
    settings: Settings
    machines: Mapping[str, str]
    client: Callable[[str], Any]
    api_url: str
    aws_url: str | None = None
    dev_login: bool = False
    token: Callable[[], str | None] = lambda: None
    provider: Provider | None = None
    event_bus: str | None = None
    bodies: bool = True
    opened: Callable[[str, int], None] = lambda _account, _message: None
    seen_events: Callable[[], list[dict[str, Any]]] = list
