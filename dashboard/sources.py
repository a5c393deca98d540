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
    is_dev_login_on: the API signs in programs of this machine, so their token is no secret.
    token: of the person on whose behalf the API is called; None: there is none, so nothing can
        be started or stopped.
    provider: the simulated one; None: the mail is real.
    event_bus: where the dashboard may put events; None: nowhere.
    shows_bodies: the dashboard shows the text of mail, and its beginning in lists.
    report_opening: called with account id and message id each time it shows a text.
    seen_events: what came over the bus, as far as it is kept, the oldest first: objects with
        `id`, `type`, `source`, `time`, `detail` and `outcome` (what its receiver answered).
    """

    stage: str
    settings: Settings
    state_machine_arns: Mapping[str, str]
    client: Callable[[str], Any]
    api_url: str
    aws_url: str | None = None
    is_dev_login_on: bool = False
    token: Callable[[], str | None] = lambda: None
    provider: Provider | None = None
    event_bus: str | None = None
    shows_bodies: bool = True
    report_opening: Callable[[str, int], None] = lambda _account, _message: None
    seen_events: Callable[[], list[dict[str, Any]]] = list
