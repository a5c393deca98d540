"""Start all parts of the local stack on this machine in order, and stop them in reverse order.

The data folder contains what must survive a restart: the database, the simulated mailbox, the KMS
key of stored tokens, and the secret of development logins.
"""

import json
import shutil
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from dashboard.server import Dashboard
from dashboard.sources import DashboardSources
from infra.catalog import (
    AUTHORIZER_FUNCTION,
    EVENT_RULES,
    FUNCTIONS,
    MAILBOX_CHECK_FUNCTION_NAME,
    MAILBOX_SYNC_WORKFLOW,
    ROUTES,
    SCHEDULES,
    SELF_TEST_WORKFLOW,
    WORKFLOWS,
)
from localdev import simulated_gmail
from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import (
    EVENT_BUS_NAME,
    LOCAL_CREDENTIALS,
    create_event_bus,
    create_state_machines,
    make_aws_client,
    read_or_create_token_kms_key,
    reset_moto_state,
)
from localdev.engine.dev_login import make_demo_user_token_function, read_or_create_jwt_secret
from localdev.engine.event_bus import EventBus
from localdev.engine.failure import DataFolderInUse, StartFailed
from localdev.engine.http_api import HttpApi
from localdev.engine.lambda_host import LambdaHost
from localdev.engine.names import function_arn
from localdev.engine.postgres import Postgres, lock_data_folder
from localdev.engine.scheduler import Scheduler
from localdev.engine.simulator_process import ProviderSettings, SimulatorProcess
from localdev.external_servers import IMAP_SERVERS_SETTING_NAME
from localdev.http_server import require_free_port
from localdev.options import Options
from localdev.private_files import redirect_logging_to_private_file
from mailsync.settings import Settings

REPOSITORY_ROOT = Path(__file__).resolve().parent.parent
LAMBDA_SOURCE_CODE_FOLDER = REPOSITORY_ROOT / "lambdas"
FUNCTIONS_DATABASE_LOGIN_NAME = (
    "mailsync_functions"  # as in production, the functions do not own the schema
)


class Stack:
    """All parts of Mailsync on this machine, running from `start` to `stop` or inside `with`. A
    process can run one stack at a time.

    `start` raises:
        StartFailed: a port or the data folder is in use, or the database or the simulators
            cannot be reached. Parts that had started are stopped.
    """

    lambdas: LambdaHost
    dashboard_server: Dashboard
    postgres_server: Postgres | None = None  # None: the developer's own
    simulator_process: SimulatorProcess | None = None  # None: the developer's own Graph
    provider: ProviderSettings
    simulated_event_bus: EventBus
    database_url: str
    api_url: str
    aws_url: str

    def __init__(self, options: Options) -> None:
        self.options = options
        self.data = options.data.resolve()
        self._exit = ExitStack()

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all parts in reverse order; committed data is kept. Safe to call twice."""
        self._exit.close()

    def token(self) -> str:
        """Return a bearer token of the demo user for the API, valid for eight hours."""
        return make_demo_user_token_function(self._jwt_secret())()

    def _jwt_secret(self) -> str:
        return self.options.jwt_secret or read_or_create_jwt_secret(self.data / "jwt-secret")

    def _start(self) -> None:
        self._lock_data()
        if self.options.fresh:
            delete_stack_data(self.data)
        self._exit.enter_context(redirect_logging_to_private_file(self.data / "logs" / "stack.log"))
        api = self._listen()
        self._launch_simulators()
        self._open_database()
        self._migrate()
        self._configure()
        api.start()
        self.dashboard_server.start(self._sources())
        if self.options.schedule:
            scheduler = Scheduler(self.lambdas, SCHEDULES, scale=self.options.time_scale)
            scheduler.start()
            self._exit.callback(scheduler.stop)

    def _lock_data(self) -> None:
        """Lock the data folder. With the option `can_use_other_data_folder`, lock the first of the
        possible data folders that no other stack uses."""
        wanted = self.data
        for number in count(2):
            try:
                self._exit.callback(lock_data_folder(self.data, what="data").close)
                return
            except DataFolderInUse:
                if not self.options.can_use_other_data_folder:
                    raise
                self.data = wanted.with_name(f"{wanted.name}-{number}")

    def _listen(self) -> HttpApi:
        """Open the ports before anything slow starts. Return the API, which is not started yet."""
        self.lambdas = LambdaHost(
            FUNCTIONS,
            code_root=LAMBDA_SOURCE_CODE_FOLDER,
            logs=self.data / "logs",
            settings={},
            time_scale=self.options.time_scale,
        )
        api = HttpApi(
            self.lambdas,
            ROUTES,
            port=self.options.api_port,
            authorizer=AUTHORIZER_FUNCTION.name,
            sign_in=self.token if self.options.is_dev_login_in_effect else None,
            cors_origins=self.options.cors_origins,
        )
        self._exit.callback(api.stop)
        self.api_url = f"http://localhost:{api.port}"
        self.simulated_event_bus = EventBus(self.lambdas, EVENT_RULES, name=EVENT_BUS_NAME)
        endpoint = AwsEndpoint(
            self.lambdas, port=self.options.aws_port, bus=self.simulated_event_bus
        )
        self._exit.callback(endpoint.stop)
        self._exit.callback(self.lambdas.stop)
        self.aws_url = endpoint.url
        self.dashboard_server = Dashboard(
            port=self.options.dashboard_port, token_required=not self.options.is_dev_login_in_effect
        )
        self._exit.callback(self.dashboard_server.stop)
        return api

    def _launch_simulators(self) -> None:
        """Start the simulators' process, unless the developer's own provider is used. The process
        gets ready while the database starts."""
        if self.options.external_provider_settings is None:
            if self.options.serves_imap:
                _require_free_imap_port(self.options.imap_port)
            self.simulator_process = SimulatorProcess(
                self._simulator_arguments(),
                root=REPOSITORY_ROOT,
                log=self.data / "logs" / "simulators.log",
            )
            self._exit.callback(self.simulator_process.stop)

    def _simulator_arguments(self) -> list[str]:
        options = self.options
        mail = ["--mbox", str(options.mbox)] if options.mbox else []
        mail = mail or ["--messages", str(options.messages)]
        ports = ["--graph-port", "0", "--entra-port", "0", "--host", options.simulator_host]
        if options.serves_imap:
            ports += ["--imap-port", str(options.imap_port)]
        provider = ["--provider", options.simulated_provider]
        provider += simulated_gmail.build_simulator_arguments(options.quota_scale, self.api_url)
        folder = ["--data", str(self.data / "simulators")]
        return [*folder, *ports, *provider, *mail, "--latency", options.latency]

    def _open_database(self) -> None:
        given = self.options.external_database_settings
        if given:
            self.database_url = given.url
        else:
            server = Postgres(self.data / "postgres", tcp_port=self.options.database_port)
            self.postgres_server = self._exit.enter_context(server)
            self.database_url = server.superuser_socket_url
        own = self.postgres_server
        self.lambdas.settings.update(
            DATABASE_URL=own.socket_url_for_login(FUNCTIONS_DATABASE_LOGIN_NAME)
            if own
            else self.database_url,
            MIGRATION_DATABASE_URL=own.superuser_socket_url
            if own
            else given.migration_url
            if given
            else "",
            DATABASE_CA_BUNDLE=given.ca_bundle_path_or_pem if given else "",
        )

    def _configure(self) -> None:
        reset_moto_state()
        create_event_bus(self.aws_url)
        key = read_or_create_token_kms_key(self.aws_url, self.data / "token-key.json")
        arns = create_state_machines(
            self.aws_url, WORKFLOWS, FUNCTIONS, time_scale=self.options.time_scale
        )
        self.provider = self.options.external_provider_settings or self._simulated()
        self.lambdas.settings.update(
            **LOCAL_CREDENTIALS,
            AWS_ENDPOINT_URL=self.aws_url,
            **self._provider_settings(),
            TOKEN_KEY_ARN=key.arn,
            EVENT_BUS_NAME=EVENT_BUS_NAME,
            SYNC_ACCOUNTS_ARN=function_arn(MAILBOX_CHECK_FUNCTION_NAME),
            MAILBOX_SYNC_ARN=arns[MAILBOX_SYNC_WORKFLOW.name],
            TEST_SYNC_ARN=arns[SELF_TEST_WORKFLOW.name],
            JWT_SECRET=self._jwt_secret(),
            PUBLIC_URL=self.api_url,
            # Without an application to return to, a person lands in the dashboard.
            APP_INBOX_URL=self.options.app_inbox_url or f"{self.dashboard_server.url}/mailbox",
            POWERTOOLS_SERVICE_NAME="mailsync-local",
            **self.options.api_environment_variables,
        )

    def _provider_settings(self) -> dict[str, str]:
        """Return the settings with which functions reach the provider, and the developer's own IMAP
        servers."""
        own, settings = (
            self.options.external_mail_server_settings,
            self.provider.lambda_environment_variables,
        )
        if self.simulator_process:
            scale = self.options.quota_scale
            settings |= simulated_gmail.build_lambda_environment_variables(scale, self.api_url)
        if own is None:
            return settings
        servers = [settings.get(IMAP_SERVERS_SETTING_NAME), own.imap_servers_setting_value]
        bundle = self.data / "ca-bundle.pem"
        authorities = [self.provider.ca_bundle] if self.simulator_process else []
        texts = [Path(each).read_text() for each in authorities if each]
        bundle.write_text("\n".join([*texts, own.ca_bundle_pem]))
        own_settings = {
            IMAP_SERVERS_SETTING_NAME: ",".join(filter(None, servers)),
            "CA_BUNDLE": str(bundle),
        }
        return settings | own_settings

    def _sources(self) -> DashboardSources:
        """Return this stack's resources for the dashboard."""
        settings = self.lambdas.settings
        return DashboardSources(
            stage_name="local",
            mailsync_settings=Settings(dict(settings)),
            state_machine_arns={
                MAILBOX_SYNC_WORKFLOW.name: settings["MAILBOX_SYNC_ARN"],
                SELF_TEST_WORKFLOW.name: settings["TEST_SYNC_ARN"],
            },
            make_aws_client=lambda service: make_aws_client(service, self.aws_url),
            api_url=self.api_url,
            aws_endpoint_url=self.aws_url,
            api_accepts_requests_without_token=self.options.is_dev_login_in_effect,
            get_user_token_or_none=self.token,
            simulated_provider_access_settings=self.provider if self.simulator_process else None,
            event_bus_name=EVENT_BUS_NAME,
            list_recent_local_bus_events=self.simulated_event_bus.list_recent_local_bus_events,
        )

    def _simulated(self) -> ProviderSettings:
        assert self.simulator_process is not None
        return self.simulator_process.wait_until_ready()

    def _migrate(self) -> None:
        result = self.lambdas.invoke("migrate-database", b"{}")
        if result.failed:
            error = json.loads(result.payload)
            reason = error.get("errorMessage", "unknown reason")
            raise StartFailed(f"The database could not be prepared: {reason}")
        if self.postgres_server:
            self.postgres_server.create_login_if_missing(
                FUNCTIONS_DATABASE_LOGIN_NAME, role="mailsync_writer"
            )
            self.postgres_server.set_search_path("postgres", "mailsync, public")


def _require_free_imap_port(port: int) -> None:
    try:
        require_free_port(port)
    except OSError as taken:
        raise StartFailed.for_port_in_use(port, "--imap-port") from taken


def delete_stack_data(data: Path) -> None:
    """Delete all files that local stacks have stored in the folder. Keep other files in the
    folder."""
    Postgres(data / "postgres").delete_data_directory()
    for name in ("postgres", "simulators", "logs"):
        shutil.rmtree(data / name, ignore_errors=True)
    for name in ("jwt-secret", "token-key.json", "ca-bundle.pem"):
        (data / name).unlink(missing_ok=True)
