"""Run many simulated mailboxes with the real functions, Postgres, and a simulated AWS.

Functions are processes of the local engine, and invoke each other through its AWS endpoint. The
simulated Graph runs in this process, with the limits and the latency of the real one.
"""

import io
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from infra.catalog import FUNCTIONS, MAILBOX_CHECK_FUNCTION_NAME, MAILBOX_SYNC_WORKFLOW
from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import LOCAL_CREDENTIALS, create_state_machines, make_aws_client
from localdev.engine.lambda_host import LambdaHost
from localdev.engine.names import function_arn
from localdev.engine.postgres import Postgres
from localdev.mail.item import MailItem
from localdev.simulators import Simulators
from localdev.simulators.behaviour import LATENCY_BY_NAME
from localdev.simulators.entra.server import CLIENT_ID
from localdev.simulators.mailbox import Mailbox
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME, LAMBDA_SOURCE_CODE_FOLDER
from mailsync.credentials.token_set import TokenSet
from mailsync.credentials.vault import Vault
from mailsync.log import logger
from mailsync.model import AccessToken, AccountId, Address, ProviderName, SyncType
from mailsync.registry import MICROSOFT
from mailsync.settings import Settings
from mailsync.store.connection import Database, connect
from mailsync.store.credential_store import CredentialStore
from mailsync.store.migrate import apply_migrations
from tests.support.dovecot import readable_folder
from tests.support.execution import Execution, Invoke, StateFailed
from tests.support.functions import lambda_context, load_functions

TOKEN_LIFETIME_S = 30 * 24 * 3600
CLIENT_STATE = "secret of every subscription"
_SENDER = Address("Ann", "ann@example.com")
_FUNCTION_BY_PLACEHOLDER = {
    f"${{{each.arn_placeholder_name_in_asl}}}": each.name for each in FUNCTIONS
}
_SUBSCRIBE = """
INSERT INTO mailsync.provider_subscriptions
       (account_id, remote_id, secret_hash, callback_url, expires_at, next_try_at)
SELECT id, id::text, :secret_hash, 'https://example.org', now() + interval '1 day',
       now() + interval '1 day'
  FROM mailsync.email_accounts"""
_REST = "UPDATE mailsync.email_accounts SET next_sync_at = now() + interval '1 hour'"


@dataclass(frozen=True, slots=True)
class FleetMailbox:
    """A simulated mailbox and its account."""

    account_id: AccountId
    remote: Mailbox


@dataclass(slots=True)
class Fleet:
    """The running parts; `settings` are those of the functions."""

    simulators: Simulators
    host: LambdaHost
    settings: dict[str, str]
    owner_url: str
    postgres_pid: int

    def add_mailbox(self, number: int) -> FleetMailbox:
        """Add a simulated mailbox and connect it, without a sync."""
        remote = self.simulators.find_or_create_mailbox(f"m{number}@example.com")
        token = self.simulators.issue_microsoft_access_token(remote, lifetime_s=TOKEN_LIFETIME_S)
        expires_at = datetime.now(UTC) + timedelta(seconds=TOKEN_LIFETIME_S)
        tokens = TokenSet(AccessToken(token, expires_at), renewal_grant="unused")
        with closing(Database(Settings({"DATABASE_URL": self.owner_url}))) as database:
            store = CredentialStore(database)
            kms = make_aws_client("kms", self.settings["AWS_ENDPOINT_URL"])
            key = Vault(
                self.settings["TOKEN_KEY_ARN"], store, kms
            ).find_or_make_newest_sealing_key()
            account_id = store.connect_account(
                user_id="ann",
                provider=ProviderName(MICROSOFT),
                provider_account_id=remote.user_id,
                email_address=f"m{number}@example.com",
                seal=lambda account_id: tokens.seal_tokens_for_account(account_id, key),
            )
        return FleetMailbox(account_id, remote)

    def subscribe_all(self) -> None:
        """Store a subscription of each account, and make no account due for an hour."""
        self.rows(_SUBSCRIBE, secret_hash=sha256(CLIENT_STATE.encode()).digest())
        self.rows(_REST)

    def set_latency(self, name: str) -> None:
        self.simulators.service.latency = LATENCY_BY_NAME[name]

    def rows(self, sql: str, **parameters: Any) -> list[list[Any]]:
        with closing(connect(Settings({"DATABASE_URL": self.owner_url}))) as owner:
            return owner.run(sql, **parameters) or []

    def invoke(self, placeholder: str, event: Any) -> Any:
        """Run a function of the workflow in a process of its own."""
        result = self.host.invoke(_FUNCTION_BY_PLACEHOLDER[placeholder], json.dumps(event).encode())
        payload = json.loads(result.payload)
        if result.failed:
            raise StateFailed(payload["errorType"], payload["errorMessage"])
        return payload


@contextmanager
def invoke_here(fleet: Fleet) -> Iterator[Invoke]:
    """Yield what runs functions of the workflow in this process, for the preparation."""
    os.environ.update(fleet.settings)
    logger.setLevel("ERROR")
    functions = load_functions()

    def invoke(placeholder: str, event: Any) -> Any:
        result = functions[placeholder].handler(json.loads(json.dumps(event)), lambda_context())
        return json.loads(json.dumps(result))

    with redirect_stdout(io.StringIO()):  # metrics
        yield invoke


def sync_first(account_id: AccountId, invoke: Invoke) -> None:
    """Run the workflow of a first sync."""
    name = f"run-{token_hex(8)}"
    state = {"accountId": account_id, "syncType": SyncType.INITIAL, "trigger": "benchmark"}
    execution = Execution(name, name, invoke, list, at_once=False, waited=time.sleep)
    execution.run(MAILBOX_SYNC_WORKFLOW.asl_text, state)


def a_message(subject: str, *, text: str = "Hello") -> MailItem:
    now = datetime.now(UTC).replace(microsecond=0)
    return MailItem(sender=_SENDER, subject=subject, body=text, received_at=now, sent_at=now)


@contextmanager
def open_fleet() -> Iterator[Fleet]:
    """Run all parts for the `with` block."""
    with ExitStack() as parts, readable_folder() as postgres_folder:
        data = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        postgres = parts.enter_context(Postgres(postgres_folder / "postgres"))
        apply_migrations(Settings({"DATABASE_URL": postgres.superuser_socket_url}))
        postgres.create_login_if_missing(FUNCTIONS_DATABASE_LOGIN_NAME, role="mailsync_writer")
        simulators = parts.enter_context(Simulators(data / "simulators"))
        host = LambdaHost(
            FUNCTIONS, code_root=LAMBDA_SOURCE_CODE_FOLDER, logs=data / "logs", settings={}
        )
        endpoint = AwsEndpoint(host, port=0)
        parts.callback(endpoint.stop)
        parts.callback(host.stop)
        arns = create_state_machines(
            endpoint.url, (MAILBOX_SYNC_WORKFLOW,), FUNCTIONS, time_scale=1
        )
        key = make_aws_client("kms", endpoint.url).create_key()["KeyMetadata"]["Arn"]
        host.settings.update(
            **LOCAL_CREDENTIALS,
            AWS_ENDPOINT_URL=endpoint.url,
            TOKEN_KEY_ARN=key,
            DATABASE_URL=postgres.socket_url_for_login(FUNCTIONS_DATABASE_LOGIN_NAME),
            SYNC_ACCOUNTS_ARN=function_arn(MAILBOX_CHECK_FUNCTION_NAME),
            MAILBOX_SYNC_ARN=arns[MAILBOX_SYNC_WORKFLOW.name],
            GRAPH_URL=simulators.graph_url,
            MICROSOFT_AUTHORITY=simulators.entra_authority_url,
            MICROSOFT_CLIENT_ID=CLIENT_ID,
            MICROSOFT_CLIENT_SECRET=simulators.client_secret,
            CA_BUNDLE=str(simulators.ca_bundle),
            POWERTOOLS_SERVICE_NAME="benchmark",
        )
        yield Fleet(simulators, host, host.settings, postgres.superuser_socket_url, postgres.pid)
