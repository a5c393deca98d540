import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from localdev.engine.failure import StartFailed
from localdev.engine.postgres import lock_folder
from localdev.options import Options, parse
from localdev.stack import Stack, delete_stack_data
from tests.support.up import up

PORTS = ("--api-port", "0", "--aws-port", "0", "--dashboard-port", "0")
NOWHERE = ("--graph-url", "http://127.0.0.1:1/v1.0", "--authority", "https://localhost:1/common")
APP = {"MICROSOFT_CLIENT_ID": "app", "MICROSOFT_CLIENT_SECRET": "secret"}


def options(data: Path, *arguments: str) -> Options:
    """Of a stack on free ports, whose mail provider never answers."""
    everything = ("up", "--data", str(data), *PORTS, *NOWHERE)
    return parse([*everything, *arguments], APP)[1]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a stack without dev login and without a mail provider prints; it runs meanwhile."""
    with what_up_prints(tmp_path_factory.mktemp("closed"), "--no-dev-login") as printed:
        yield printed


def test_the_product_answers_those_who_have_the_token_that_is_printed(closed: str) -> None:
    found = re.search(r"TOKEN=(\S+)\n.* (http\S+)/api/test-sync", closed)
    assert found
    token, url = found.groups()

    def get(path: str, bearer: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return httpx.get(f"{url}/api/{path}", headers=headers, timeout=30)

    assert get("health").json() == {"status": "ok"}
    assert get("email/accounts").status_code == 401
    assert get("email/accounts", "x").status_code == 403
    assert get("email/accounts", token).json()["accounts"] == []
    assert get("email/sync?accountId=none", token).status_code in (400, 404, 422)


@pytest.mark.parametrize("option", ["--api-port", "--aws-port", "--dashboard-port"])
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        with pytest.raises(StartFailed, match=f"Port {port} is in use: give another {option}"):
            Stack(options(tmp_path, option, port)).start()


def test_an_unreachable_database_is_said_in_one_sentence(tmp_path: Path) -> None:
    unreachable = "postgresql://postgres:pass-word@127.0.0.1:1/mail"

    with pytest.raises(StartFailed, match="The database could not be prepared") as failed:
        Stack(options(tmp_path, "--database-url", unreachable)).start()

    assert "pass-word" not in str(failed.value)
    assert "\n" not in str(failed.value)


def test_fresh_forgets_what_stacks_stored_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("mine.txt", "jwt-secret", "token-key.json", "logs/api.log"):
        (tmp_path / name).write_text(name)

    delete_stack_data(tmp_path)

    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_without_dev_login_the_dashboard_hands_out_no_token(closed: str) -> None:
    address = re.search(r"Dashboard +(\S+)", closed)
    assert address
    data = address[1].partition("?")[0] + "/data/overview"
    stranger = httpx.get(data, timeout=30)
    with httpx.Client(timeout=30) as person:
        person.get(address[1])
        overview = person.get(data).json()

    assert "TOKEN" not in stranger.text
    assert stranger.status_code == 401
    assert (overview["token"], overview["curl"]) == (None, [])


def test_what_it_prints_to_try_can_be_pasted_and_a_second_stack_is_refused(tmp_path: Path) -> None:
    """Also into zsh, to which `?` is a pattern, and by those who have no AWS credentials."""
    command = [sys.executable, "-m", "localdev", "up", "--data", str(tmp_path), *PORTS, *NOWHERE]
    environment = {**os.environ, **APP, "PYTHONPATH": "lambdas:."}
    with what_up_prints(tmp_path) as printed:
        pasted = printed.split("Try next:")[1].split("  or open")[0]
        aws = 'aws() { echo "$AWS_ACCESS_KEY_ID $AWS_DEFAULT_REGION $3"; }'
        script = f"shopt -s failglob\n{aws}\n{pasted}"
        shell = run(["bash", "-c", script], env={"PATH": os.environ["PATH"]})
        second = run(command, env=environment)

    assert shell.stderr == ""
    assert '"executionArn"' in shell.stdout
    assert re.search(r"LOCAL[0-9A-F]{16} eu-west-1 stepfunctions\n\Z", shell.stdout)
    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert f"folder {tmp_path} is used by another stack" in second.stderr
    lock_folder(tmp_path, what="data").close()  # SIGTERM has stopped everything


def run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@contextmanager
def what_up_prints(data: Path, *options: str) -> Iterator[str]:
    """By a stack without a mail provider, which runs until the end of the block."""
    arguments = ("--data", str(data), "--no-schedule", *options, *PORTS, *NOWHERE)
    with up(*arguments, **APP) as (_, printed):
        yield printed
