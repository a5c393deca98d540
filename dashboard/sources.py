"""What a dashboard reads and calls: a stack's database, state machines, API and simulators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localdev.engine.simulator_process import ProviderSettings
from mailsync.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSources:
    """The resources of one stack that its dashboard reads and calls.

    state_machine_arns: ARNs of state machines by the name of the workflow.
    make_aws_client: makes a boto3 client for the AWS service of that name.
    is_dev_login_on: the API signs in programs of this machine.
    make_user_token: returns a token of the user on whose behalf the dashboard calls the API; if it
        returns None, the dashboard can neither start nor stop anything.
    provider: the simulated mail provider; None: the mail is real.
    event_bus: the name of the bus to which the dashboard may put events; None: it may not.
    shows_message_bodies: the dashboard shows the text of mail, and snippets of it in lists.
    report_body_opened: called with account id and message id each time the dashboard shows a text.
    list_seen_events: returns the events of the bus that are still kept, oldest first: objects with
        `id`, `type`, `source`, `time`, `detail` and `outcome` (what the receiving function
        returned).
    """

    stage: str
    settings: Settings
    state_machine_arns: Mapping[str, str]
    make_aws_client: Callable[[str], Any]
    api_url: str
    aws_url: str | None = None
    is_dev_login_on: bool = False
    make_user_token: Callable[[], str | None] = lambda: None
    provider: ProviderSettings | None = None
    event_bus: str | None = None
    shows_message_bodies: bool = True
    report_body_opened: Callable[[str, int], None] = lambda _account, _message: None
    list_seen_events: Callable[[], list[dict[str, Any]]] = list
