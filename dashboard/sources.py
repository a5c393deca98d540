"""Define what a dashboard reads and calls: a stack's database, state machines, API and
simulators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localdev.engine.simulator_process import ProviderSettings
from mailsync.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSources:
    """The resources that a dashboard reads and calls, all of one local stack or one deployed stage.

    state_machine_arns: ARNs of the state machines by the name of the workflow.
    make_aws_client: returns a boto3 client for the AWS service of that name.
    is_development_login_enabled: whether the API accepts requests of programs of this machine
        without a token.
    make_user_token: returns a token of the user on whose behalf the dashboard calls the API. If it
        returns None, the dashboard can neither start nor stop anything.
    simulated_provider: how to reach the simulated mail provider. None: the mail is real.
    event_bus_name: the event bus to which the dashboard may put events. None: it may put none.
    shows_message_bodies: whether the dashboard shows the text of mail, and its beginning in lists.
    report_shown_message_body: called with account id and message id each time the dashboard shows
        the text of a message.
    list_recent_bus_events: returns the events that the bus accepted and still keeps, oldest first:
        objects with `id`, `type`, `source`, `time`, `detail`, `function` (None: no rule has this
        type) and `outcome` (what the function returned; None while it runs).
    """

    stage: str
    settings: Settings
    state_machine_arns: Mapping[str, str]
    make_aws_client: Callable[[str], Any]
    api_url: str
    aws_endpoint_url: str | None = None
    is_development_login_enabled: bool = False
    make_user_token: Callable[[], str | None] = lambda: None
    simulated_provider: ProviderSettings | None = None
    event_bus_name: str | None = None
    shows_message_bodies: bool = True
    report_shown_message_body: Callable[[str, int], None] = lambda _account, _message: None
    list_recent_bus_events: Callable[[], list[dict[str, Any]]] = list
