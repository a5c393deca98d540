"""List what is deployed: functions, workflows, routes, schedules and event rules.

CDK, the local stack, the dashboard and the tests read this catalog. It imports only the standard
library and the product's list of providers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mailsync.registry import REGISTERED_PROVIDERS, RegisteredProvider, implemented_providers

STATE_MACHINE_DEFINITION_FOLDER = Path(__file__).resolve().parent.parent / "statemachine"
AWS_PARTITION_PLACEHOLDER = "Partition"
"""Name of the placeholder in ASL files for the AWS partition, such as `aws` or `aws-cn`."""


class Capability(StrEnum):
    """A kind of access that a Lambda function needs. The capabilities of a function determine the
    function's IAM permissions and environment variables."""

    USE_DATABASE = "database"
    USE_SCHEMA_OWNER_LOGIN = "schema"  # the login of the schema's owner
    USE_APP_CREDENTIALS_AT_PROVIDER = "provider login"  # the app's client id and secret
    KNOW_ENABLED_PROVIDERS = "enabled providers"  # the app's public client ids
    REACH_PROVIDER_SERVERS = "provider servers"  # their URLs and a network path, without a login
    DECRYPT_STORED_TOKENS = "open tokens"  # kms:Decrypt
    ENCRYPT_STORED_TOKENS = "seal tokens"  # kms:GenerateDataKey
    START_WORKFLOWS = "workflows"  # start executions and describe them
    START_SUCCESSOR_EXECUTION = "successors"  # start executions of `mailbox-sync`
    STOP_WORKFLOWS = "stop workflows"  # end executions
    KNOW_WORKFLOW_ARNS = "workflow names"  # state machines' ARNs, no permission
    INVOKE_MAILBOX_CHECKS = "functions"  # invoke `sync-accounts`
    PUT_EVENTS = "event bus"  # put events on the stage's bus
    VERIFY_APPLICATION_JWT = "app identity"  # the key that verifies the application's JWT
    KNOW_PUBLIC_API_URL = "public URL"  # where the API is reached from outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One Lambda function of the deployment.

    name: name of the function. A workflow state that invokes it has the same name.
    purpose: description of the function in the AWS console.
    capabilities: what the function may access.
    timeout_s: time limit of an invocation in seconds.
    memory_mb: memory limit in MB.
    """

    name: str
    purpose: str
    capabilities: frozenset[Capability] = field(default_factory=frozenset)
    timeout_s: int = 30
    memory_mb: int = 512

    @property
    def handler_module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def qualified_handler_name(self) -> str:
        return f"handlers.{self.handler_module}.handler"

    @property
    def construct_id(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def arn_placeholder_name_in_asl(self) -> str:
        """Return the name that stands for this function's ARN in an ASL file, such as
        `SyncFolderFunctionArn` in `${SyncFolderFunctionArn}`."""
        return f"{self.construct_id}FunctionArn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One state machine of the deployment.

    name: name in URLs and logs.
    asl_file_name: name of the ASL file in the folder `statemachine/`.
    """

    name: str
    asl_file_name: str

    @property
    def asl_text(self) -> str:
        return (STATE_MACHINE_DEFINITION_FOLDER / self.asl_file_name).read_text()


@dataclass(frozen=True, slots=True)
class RouteThrottle:
    """Limits on the requests to one route of the API, for all callers together.

    requests_per_second: number of requests that the route accepts per second in the long run.
    burst_limit: number of requests that the route accepts at one moment (API Gateway's token
        bucket).
    """

    requests_per_second: int
    burst_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route of the HTTP API.

    route_key: method and path, such as "GET /api/health".
    function_name: name of the function that handles the route.
    is_public: whether requests need no token; API Gateway then does not call the authorizer.
    throttle: limits of this route, separate from other routes, so that too many requests to one
        route do not block the others.
    """

    route_key: str
    function_name: str
    is_public: bool = False
    throttle: RouteThrottle = RouteThrottle(requests_per_second=50, burst_limit=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A function that EventBridge Scheduler invokes at a fixed rate."""

    name: str
    interval_minutes: int
    function_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """A rule on the stage's event bus that invokes a function for events of these detail types."""

    name: str
    detail_types: tuple[str, ...]
    function_name: str


_STORE = frozenset({Capability.USE_DATABASE})
_STORE_BY_PROVIDER = _STORE | {Capability.KNOW_ENABLED_PROVIDERS}
_MAIL = frozenset(
    {
        Capability.USE_DATABASE,
        Capability.USE_APP_CREDENTIALS_AT_PROVIDER,
        Capability.DECRYPT_STORED_TOKENS,
        Capability.ENCRYPT_STORED_TOKENS,
    }
)

AUTHORIZER_FUNCTION = Function(
    name="authorize",
    purpose="Verify the application's JWT and return its user.",
    capabilities=frozenset({Capability.VERIFY_APPLICATION_JWT}),
    timeout_s=10,
)

FUNCTIONS: tuple[Function, ...] = (
    # mailbox-sync, in the order of its states
    Function(
        name="validate-account", purpose="Check that the account is active.", capabilities=_STORE
    ),
    Function(name="mark-syncing", purpose="Take the lease and open the run.", capabilities=_STORE),
    Function(
        name="get-access-token",
        purpose="Renew the access token if needed.",
        capabilities=_MAIL,
        timeout_s=60,
    ),
    Function(
        name="sync-folders",
        purpose="Store the folder tree and folders whose changes fit on a page.",
        capabilities=_MAIL,
        timeout_s=300,
        memory_mb=1024,
    ),
    Function(
        name="sync-folder",
        purpose="Store the pages of one folder until its time budget is spent.",
        capabilities=_MAIL,
        timeout_s=300,
        memory_mb=1024,
    ),
    Function(
        name="reset-folder", purpose="Start a new full sync of a folder.", capabilities=_STORE
    ),
    Function(name="folder-failed", purpose="Record the error of a folder.", capabilities=_STORE),
    Function(
        name="recalculate-counts",
        purpose="Compare the counts of every folder with the provider's.",
        capabilities=_MAIL,
        timeout_s=300,
        memory_mb=1024,
    ),
    Function(
        name="repair-folder",
        purpose="Compare the ids of one folder and repair the differences.",
        capabilities=_MAIL,
        timeout_s=300,
        memory_mb=1024,
    ),
    Function(
        name="hand-over",
        purpose="Give the run to a new execution before AWS ends this one.",
        capabilities=frozenset({Capability.USE_DATABASE, Capability.START_SUCCESSOR_EXECUTION}),
    ),
    Function(name="mark-complete", purpose="Close a run that succeeded.", capabilities=_STORE),
    Function(name="mark-failed", purpose="Close a run that failed.", capabilities=_STORE),
    # test-sync
    Function(
        name="reach-database",
        purpose="Self-test: check that the database responds.",
        capabilities=_STORE,
    ),
    Function(
        name="reach-provider",
        purpose="Self-test: check that the mail provider responds.",
        capabilities=frozenset(
            {Capability.KNOW_ENABLED_PROVIDERS, Capability.REACH_PROVIDER_SERVERS}
        ),
    ),
    Function(
        name="write-and-read", purpose="Self-test: write and read a row.", capabilities=_STORE
    ),
    # HTTP API
    Function(
        name="api",
        purpose="Start, stop and show syncs, manage accounts, run the self-test.",
        capabilities=_STORE_BY_PROVIDER | {Capability.START_WORKFLOWS, Capability.STOP_WORKFLOWS},
    ),
    Function(
        name="connect",
        purpose="Connect and disconnect the mailboxes of users and organisations.",
        capabilities=_MAIL | {Capability.START_WORKFLOWS, Capability.STOP_WORKFLOWS},
    ),
    Function(
        name="webhook",
        purpose="Have a mailbox checked when its provider sends a notification.",
        capabilities=_STORE_BY_PROVIDER | {Capability.INVOKE_MAILBOX_CHECKS},
        timeout_s=10,
    ),
    AUTHORIZER_FUNCTION,
    # schedules and deployment
    Function(
        name="start-due-syncs",
        purpose="Hand due mailboxes to sync-accounts; recover stale runs.",
        capabilities=_STORE | {Capability.START_WORKFLOWS, Capability.INVOKE_MAILBOX_CHECKS},
        timeout_s=60,
    ),
    Function(
        name="measure-backlog",
        purpose="Measure the delay of due mailboxes and unpublished events.",
        capabilities=_STORE,
    ),
    Function(
        name="sync-accounts",
        purpose="Check a batch of mailboxes and store small changes.",
        capabilities=_MAIL | {Capability.START_WORKFLOWS},
        timeout_s=180,
        memory_mb=1024,
    ),
    Function(
        name="purge-accounts",
        purpose="Delete purged accounts, and tokens that a disconnection left.",
        capabilities=_STORE,
        timeout_s=60,
    ),
    Function(
        name="renew-subscriptions",
        purpose="Create and renew the providers' subscriptions.",
        capabilities=_MAIL | {Capability.KNOW_PUBLIC_API_URL},
        timeout_s=110,
    ),
    Function(
        name="close-run",
        purpose="Close the run of an execution that ended without closing it.",
        capabilities=frozenset({Capability.USE_DATABASE, Capability.KNOW_WORKFLOW_ARNS}),
    ),
    # events
    Function(
        name="receive-event",
        purpose="Start the sync or the self-test that an event requests.",
        capabilities=_STORE_BY_PROVIDER | {Capability.START_WORKFLOWS},
    ),
    Function(
        name="publish-events",
        purpose="Publish the outbox to the event bus.",
        capabilities=frozenset({Capability.USE_DATABASE, Capability.PUT_EVENTS}),
        timeout_s=60,
    ),
    Function(
        name="migrate-database",
        purpose="Apply missing database migrations.",
        capabilities=_STORE | {Capability.USE_SCHEMA_OWNER_LOGIN},
        timeout_s=300,
    ),
)

MAILBOX_SYNC_WORKFLOW = Workflow(name="mailbox-sync", asl_file_name="mailbox_sync.asl.json")
SELF_TEST_WORKFLOW = Workflow(name="test-sync", asl_file_name="test_sync.asl.json")
WORKFLOWS: tuple[Workflow, ...] = (MAILBOX_SYNC_WORKFLOW, SELF_TEST_WORKFLOW)

_LOW_THROTTLE = RouteThrottle(requests_per_second=10, burst_limit=20)
"""Limits of routes that applications rarely call."""


def _public_route(route_key: str, function_name: str) -> Route:
    """Return a route whose requests need no token. Its throttle is lower than the default."""
    return Route(
        route_key=route_key, function_name=function_name, is_public=True, throttle=_LOW_THROTTLE
    )


def api_routes_of_provider(provider: RegisteredProvider) -> Iterator[Route]:
    """Yield the API's routes for one mail provider: the routes that connect mailboxes, and the
    route that receives the provider's notifications if the provider sends any."""
    name = provider.provider_name
    oauth = provider.oauth_settings
    if oauth:
        yield Route(route_key=f"GET /api/auth/{name}", function_name="connect")
        callback = f"GET /api/auth/{name}/callback"
        yield _public_route(callback, "connect")
        yield Route(route_key=f"POST /api/auth/{name}/confirm", function_name="connect")
    if oauth is None or oauth.app_only_token_resource_url_setting:
        yield Route(route_key=f"POST /api/email/accounts/{name}", function_name="connect")
    if provider.sends_notifications:
        yield Route(route_key=f"POST /api/webhooks/{name}", function_name="webhook", is_public=True)


ROUTES: tuple[Route, ...] = (
    Route(route_key="POST /api/email/sync", function_name="api"),
    Route(route_key="GET /api/email/sync", function_name="api"),
    Route(route_key="DELETE /api/email/sync", function_name="api"),
    Route(route_key="GET /api/email/runs", function_name="api"),
    Route(route_key="GET /api/email/runs/{runId}", function_name="api"),
    Route(route_key="GET /api/email/accounts", function_name="api"),
    Route(route_key="GET /api/email/accounts/{accountId}", function_name="api"),
    Route(route_key="PATCH /api/email/accounts/{accountId}", function_name="api"),
    Route(route_key="POST /api/email/accounts/{accountId}/confirm-removal", function_name="api"),
    Route(route_key="GET /api/test-sync", function_name="api", throttle=_LOW_THROTTLE),
    Route(route_key="GET /api/test-inngest", function_name="api", throttle=_LOW_THROTTLE),
    _public_route("GET /api/health", "api"),
    _public_route("GET /api/openapi.json", "api"),
    Route(route_key="DELETE /api/email/accounts/{accountId}", function_name="connect"),
    Route(route_key="GET /api/email/accounts/{accountId}/estimate", function_name="connect"),
    *(route for each in implemented_providers() for route in api_routes_of_provider(each)),
)

CORS_METHODS = tuple(sorted({route.route_key.split(" ")[0] for route in ROUTES}))
"""HTTP methods that web pages of other origins may use, in a stage that sets `cors_origins`."""
CORS_REQUEST_HEADERS = ("authorization", "content-type", "idempotency-key", "if-none-match")
CORS_RESPONSE_HEADERS = ("etag", "location", "retry-after")
CORS_MAX_AGE_S = 3600

SCHEDULES: tuple[Schedule, ...] = (
    Schedule(name="start-due-syncs", interval_minutes=1, function_name="start-due-syncs"),
    Schedule(name="measure-backlog", interval_minutes=1, function_name="measure-backlog"),
    Schedule(name="purge-accounts", interval_minutes=5, function_name="purge-accounts"),
    Schedule(name="publish-events", interval_minutes=1, function_name="publish-events"),
    Schedule(name="renew-subscriptions", interval_minutes=2, function_name="renew-subscriptions"),
)

EVENT_RULES: tuple[EventRule, ...] = (
    EventRule(
        name="asked-by-event",
        detail_types=(
            *(each.sync_request_event_type for each in REGISTERED_PROVIDERS),
            "test/sync",
        ),
        function_name="receive-event",
    ),
)

RUN_CLOSER_FUNCTION_NAME = "close-run"
"""The function that EventBridge invokes when an execution of `mailbox-sync` ends with one of
EXECUTION_STATUSES_INVOKING_RUN_CLOSER."""
EXECUTION_STATUSES_INVOKING_RUN_CLOSER = ("ABORTED", "FAILED", "TIMED_OUT")

OUTBOX_PUBLISHER_FUNCTION_NAME = "publish-events"
"""The function that EventBridge invokes when an execution of `mailbox-sync` ends with one of
EXECUTION_STATUSES_INVOKING_OUTBOX_PUBLISHER. It also has a schedule."""
EXECUTION_STATUSES_INVOKING_OUTBOX_PUBLISHER = ("FAILED", "SUCCEEDED")


MAILBOX_CHECK_FUNCTION_NAME = "sync-accounts"
"""The function that checks a batch of mailboxes; `start-due-syncs` and `webhook` invoke
it asynchronously."""


def find_function(name: str) -> Function:
    """Return the function with this name.

    Raises:
        KeyError: the catalog has no such function.
    """
    return {each.name: each for each in FUNCTIONS}[name]
