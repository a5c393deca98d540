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
    token: of the person on whose behalf the API is called; None: there is none, so nothing can
        be started or stopped.
    provider: the simulated one; None: the mail is real.
    event_bus: where the dashboard may put events; None: nowhere.
    seen_events: what came over the bus, as far as it is kept, the oldest first: objects with
        `id`, `type`, `source`, `time`, `detail` and `outcome` (what its receiver answered).
    """

    stage: str
    settings: Settings
    machines: Mapping[str, str]
    client: Callable[[str], Any]
    api_url: str
    aws_url: str | None = None
    token: Callable[[], str | None] = lambda: None
    provider: Provider | None = None
    event_bus: str | None = None
    seen_events: Callable[[], list[dict[str, Any]]] = list
