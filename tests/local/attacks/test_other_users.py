"""Programs of another user of this machine, without any credentials, at each port and file."""

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pg8000.native
import psutil
import pytest

from tests.local.attacks.stack_process import StackProcess
from tests.support.aws_signature import signed_headers

NOBODY = 65534
FOREIGN = (
    "Host: evil.example",
    "Host: localhost",
    "Origin: https://evil.example",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Site: same-site",
)
INVOKE = "2015-03-31/functions/purge-accounts/invocations"
RUNTIME = "2018-06-01/runtime/invocation/next"
PUBLIC_FILES = {"lock", "ca.pem", "cluster-id"}


@pytest.fixture
def as_nobody() -> dict[str, int | list[int]]:
    """How a child process becomes another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def curl(url: str, *options: str, **user: object) -> int:
    """The status of the response, 0 when there was none within 10 s."""
    program = shutil.which("curl")
    assert program
    command = [program, "-s", "-k", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", *options]
    ran = subprocess.run([*command, url], capture_output=True, text=True, check=False, **user)  # type: ignore[call-overload]
    return int(ran.stdout)


def test_no_port_answers_under_a_foreign_host_or_for_a_foreign_page(real: StackProcess) -> None:
    """`test_foreign_pages.py` attacks the ports of the other stack."""
    for port, scheme in real.http_ports().items():
        for header in FOREIGN:
            found = curl(f"{scheme}://127.0.0.1:{port}/", "-H", header)
            assert (port, header, found) == (port, header, 403)


def test_another_user_gets_nothing_of_a_stack_with_a_database_of_its_own_user(
    real: StackProcess, as_nobody: dict[str, int | list[int]]
) -> None:
    api, dashboard = real.url("API"), real.url("Dashboard").partition("?")[0]
    expected = {
        f"{api}/api/email/accounts": 401,
        f"{api}/api/auth/microsoft": 401,
        f"{api}/api/test-sync": 401,
        f"{dashboard}data/accounts": 401,
        f"{dashboard}data/overview": 401,
        f"{dashboard}data/sign-in": 401,
        f"{real.url('AWS')}/{INVOKE}": 403,
        f"{real.url('AWS')}/_local/events": 403,
        f"{real.url('AWS')}/moto-api/data.json": 403,
        f"{real.url('Graph').removesuffix('v1.0')}_sim/state": 401,
        f"{real.url('Graph')}/me/messages": 401,
    }

    assert {url: curl(url, **as_nobody) for url in expected} == expected
    assert curl(f"{dashboard}data/actions/sync", "-d", "{}", **as_nobody) == 401


def test_another_user_takes_no_event_and_changes_nothing(
    simulated: StackProcess, as_nobody: dict[str, int | list[int]]
) -> None:
    """With a simulated mailbox too; only dev login is for every user of the machine."""
    ports = simulated.http_ports().items()
    found = {curl(f"{scheme}://127.0.0.1:{port}/{RUNTIME}", **as_nobody) for port, scheme in ports}
    aws, graph = simulated.url("AWS"), simulated.url("Graph").removesuffix("v1.0")

    assert found <= {200, 401, 403, 404}  # 200: the dashboard's page without data; none waits
    assert curl(f"{aws}/{INVOKE}", "-d", "{}", **as_nobody) == 403
    assert curl(f"{graph}_sim/deliver", "-d", "{}", **as_nobody) == 401
    assert curl(f"{simulated.url('API')}/api/email/accounts", **as_nobody) == 200


def test_the_client_secret_of_the_tests_is_not_that_of_a_stack(simulated: StackProcess) -> None:
    """With it any program could redeem a code of the simulated sign-in, without any consent."""
    token_url = simulated.authority.partition("?")[0].replace("/authorize", "/token")
    app = {
        "client_id": httpx.URL(simulated.authority).params["client_id"],
        "client_secret": "local-only-secret",
        "grant_type": "client_credentials",
        "scope": "https://graph.microsoft.com/.default",
    }

    response = httpx.post(token_url, data=app, verify=False)

    assert response.status_code == 401


def test_the_database_s_port_asks_for_a_password(simulated: StackProcess) -> None:
    port = simulated.database_port
    for user in ("postgres", "mailsync_functions"):
        for password in ("", "postgres"):
            with pytest.raises(pg8000.native.Error):
                pg8000.native.Connection(
                    user, host="127.0.0.1", port=port, database="mail", password=password
                )
    url = urlsplit(simulated.url("Database"))
    assert url.username
    pg8000.native.Connection(
        url.username, host="127.0.0.1", port=port, database="mail", password=url.password
    ).close()


def test_what_the_stack_keeps_is_readable_for_its_user_only(simulated: StackProcess) -> None:
    files = [each for each in simulated.data.rglob("*") if each.is_file()]
    loose = [
        each
        for each in files
        if each.stat().st_mode & 0o077 and not _is_below_a_closed_folder(each, simulated.data)
    ]

    assert {each.name for each in loose} <= PUBLIC_FILES
    assert {"microsoft.sqlite", "server.pem", "jwt-secret", "token-key.json"} <= {
        each.name for each in files
    }
    keys = ("*.sqlite*", "server.pem", "jwt-secret", "token-key.json", "*.log")
    modes = {each.stat().st_mode & 0o777 for name in keys for each in simulated.data.rglob(name)}
    assert modes == {0o600}


def _is_below_a_closed_folder(file: Path, root: Path) -> bool:
    """As Postgres' own are."""
    within = [each for each in file.parents if each.is_relative_to(root)]
    return any(each.stat().st_mode & 0o077 == 0 for each in within)


def test_the_command_lines_of_its_processes_hold_no_secret(simulated: StackProcess) -> None:
    """Every user of a machine may read them."""
    secrets = {simulated.token, *simulated.credentials, (simulated.data / "jwt-secret").read_text()}
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]

    assert not [each for each in secrets if any(each in line for line in lines)]


def test_the_printed_credentials_and_token_open_what_they_are_for(simulated: StackProcess) -> None:
    key, secret = simulated.credentials
    url = f"{simulated.url('AWS')}/_local/events"
    signed = signed_headers("GET", url, service="events", key=key, secret=secret)
    wrong = signed_headers("GET", url, service="events", key=key, secret="guessed")

    assert httpx.get(url, headers=signed).status_code == 200
    assert httpx.get(url, headers=wrong).status_code == 403
    accounts = f"{simulated.url('API')}/api/email/accounts"
    assert httpx.get(accounts, headers=simulated.bearer, timeout=30).status_code == 200
