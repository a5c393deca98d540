"""Define the resources that a dashboard reads and calls: the database, the state machines, the API
and the simulators of one stack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localdev.engine.simulator_process import ProviderSettings
from mailsync.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSources:
    """The resources that a dashboard reads and calls, all of one local stack or one deployed stage.

    stage_name: name of the stage; `local` for the local stack.
    mailsync_settings: settings of the product's code, such as the database's URL.
    state_machine_arns: ARNs of the state machines by the name of the workflow.
    make_aws_client: returns a boto3 client for the AWS service with the given name.
    aws_endpoint_url: URL of the local stack's AWS services. None: the services of AWS.
    api_accepts_requests_without_token: whether the API accepts requests without a token from
        programs on this machine.
    get_user_token_or_none: returns a token of the user for whom the dashboard calls the API. If the
        function returns None, every action that calls the API fails.
    simulated_provider_access_settings: URLs and credentials of the simulated provider. None: real
        mail.
    event_bus_name: the event bus to which the dashboard may send events. None: the dashboard sends
        no events.
    shows_message_bodies: whether the dashboard shows the text of a message, and the beginning of
        the text in lists.
    on_message_body_shown: function that the dashboard calls, with account id and message id,
        each time it shows the text of a message.
    list_recent_local_bus_events: function that returns the events that the local stack's event bus
        accepted and still keeps, oldest first; none on a deployed stage. Each event is an object
        with `id`, `type`, `source`, `time`, `detail`, `function` and `outcome`. `function` is the
        name of the Lambda function that a rule of the bus invokes for the event; None if no rule
        has the event's type. `outcome` is the result of this function; None while the function
        runs, and without a function.
    """

    stage_name: str
    mailsync_settings: Settings
    state_machine_arns: Mapping[str, str]
    make_aws_client: Callable[[str], Any]
    api_url: str
    aws_endpoint_url: str | None = None
    api_accepts_requests_without_token: bool = False
    get_user_token_or_none: Callable[[], str | None] = lambda: None
    simulated_provider_access_settings: ProviderSettings | None = None
    event_bus_name: str | None = None
    shows_message_bodies: bool = True
    on_message_body_shown: Callable[[str, int], None] = lambda _account, _message: None
    list_recent_local_bus_events: Callable[[], list[dict[str, Any]]] = list
