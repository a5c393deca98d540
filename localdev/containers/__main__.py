"""Run every function in a container on its sample event: `python -m localdev.containers`.

The containers use the synthesised template and its code asset. The containers reach the local
stack's database, simulated mail provider and AWS endpoint under the name localhost, which
`--add-host` maps to this machine. Then `sam local start-api` serves routes with and without a
token.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from infra import catalog
from localdev.containers.relay import DockerToLoopbackPortForwarder
from localdev.containers.sam import INVOKE_TIMEOUT_S, SamCli
from localdev.containers.settings import make_local_environment_values
from localdev.containers.template import LocalTemplate
from localdev.demo_account import DemoAccount, connect
from localdev.engine.dev_login import DEMO_USER_ID
from localdev.engine.failure import StartFailed
from localdev.options import Options
from localdev.reserved_port import reserve_port
from localdev.samples import EXPECTED_RESULT_BY_LAMBDA_NAME, LEASE_TAKING_LAMBDA_NAME, SampleEvents
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME, Stack

SIMULATED_MESSAGE_COUNT = 150
SYNC_TIMEOUT_S = 300


def main(arguments: list[str]) -> int:
    """Run functions and API in containers; return 0 if every response was as expected, else 1."""
    options = _options(arguments)
    try:
        sam = SamCli(options.sam, options.image or None)
        host = sam.find_host_address_for_containers()
        template = LocalTemplate(options.data.resolve() / "cdk.out")
        with _stack(options.data, host, template) as stack:
            account = _connected(stack)
            _invoke(sam, template, _samples(account), options.function)
            if options.function is None:
                _serve(sam, template, stack, account)
    except StartFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localdev.containers", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".mailsync/containers"), metavar="DIR")
    parser.add_argument("--sam", default="sam", metavar="PATH", help="the SAM CLI")
    parser.add_argument("--image", metavar="NAME", help="a local image instead of AWS's")
    parser.add_argument(
        "--function",
        choices=sorted(EXPECTED_RESULT_BY_LAMBDA_NAME),
        help="only this one, and no API",
    )
    return parser.parse_args(arguments)


@contextmanager
def _stack(data: Path, host: str, template: LocalTemplate) -> Iterator[Stack]:
    """Run a local stack that containers can reach; write `template` with the addresses and secrets
    of the stack."""
    chosen = Options(
        data=data / "stack",
        api_port=0,
        aws_port=0,
        dashboard_port=0,
        simulator_host="localhost",
        messages=SIMULATED_MESSAGE_COUNT,
        schedule=False,
        fresh=True,
    )
    with (
        reserve_port() as database_port,
        Stack(replace(chosen, database_port=database_port)) as stack,
    ):
        assert stack.postgres_server is not None, "no other database is in the options"
        values = make_local_environment_values(
            stack,
            database_url=stack.postgres_server.tcp_url_for_login(FUNCTIONS_DATABASE_LOGIN_NAME),
            owner_url=stack.postgres_server.tcp_url_for_login("postgres"),
        )
        servers = ("AWS_ENDPOINT_URL", "GRAPH_URL", "MICROSOFT_AUTHORITY")
        ports = [database_port, *(urlsplit(values[name]).port or 0 for name in servers)]
        template.write_template_with_local_values(values, ca_bundle=Path(values["CA_BUNDLE"]))
        relay = DockerToLoopbackPortForwarder(host, ports)
        try:
            yield stack
        finally:
            relay.stop()


def _connected(stack: Stack) -> DemoAccount:
    """Connect a mailbox, and wait until the local stack's first sync of the mailbox has ended.

    Raises StartFailed after SYNC_TIMEOUT_S.
    """
    account = connect(stack.api_url, stack.provider, stack.token())
    deadline = time.monotonic() + SYNC_TIMEOUT_S
    while account.status()["runId"] is not None:
        if time.monotonic() > deadline:
            raise StartFailed("The mailbox was not mirrored in five minutes.")
        time.sleep(0.2)
    return account


def _samples(account: DemoAccount) -> SampleEvents:
    folders = account.status()["folders"]
    inbox = next(each["id"] for each in folders if each["role"] == "inbox")
    return SampleEvents(account.id, DEMO_USER_ID, inbox)


def _invoke(sam: SamCli, template: LocalTemplate, samples: SampleEvents, only: str | None) -> None:
    """Invoke each function in a container. Raises StartFailed at the first unexpected result."""
    for name in EXPECTED_RESULT_BY_LAMBDA_NAME:
        if only and name not in (only, LEASE_TAKING_LAMBDA_NAME):
            continue
        began = time.monotonic()
        logical_id = template.find_logical_id_of_function(catalog.find_function(name))
        result = sam.invoke_function(template.file, logical_id, samples.build_sample_event(name))
        complaint = samples.describe_lambda_result_mismatch(name, result)
        if complaint:
            raise StartFailed(f"{name} {complaint}")
        seconds = time.monotonic() - began
        print(f"{name:20} {seconds:5.1f} s  {result.decode()[:100]}", flush=True)


def _serve(sam: SamCli, template: LocalTemplate, stack: Stack, account: DemoAccount) -> None:
    status = f"/api/email/sync?accountId={account.id}"
    with sam.run_api(template.file, stack.data / "logs" / "start-api.log") as url:
        for path, token, wanted in (
            ("/api/health", None, 200),
            (status, stack.token(), 200),
            (status, "not-a-token", 403),
            (status, None, 401),
        ):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            result = httpx.get(url + path, headers=headers, timeout=INVOKE_TIMEOUT_S)
            if result.status_code != wanted:
                raise StartFailed(f"GET {path}: {result.status_code}, not {wanted}: {result.text}")
            print(
                f"GET {path.partition('?')[0]:20} {result.status_code}  {result.text.strip()[:80]}"
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
