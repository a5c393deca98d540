import os
import re
import signal
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
from localdev.stack import Stack, forget_data
from tests.support.up import up

PORTS = ("--api-port", "0", "--aws-port", "0", "--dashboard-port", "0")
NOWHERE = ("--graph-url", "http://127.0.0.1:1/v1.0", "--authority", "https://localhost:1/common")
APP = {"MICROSOFT_CLIENT_ID": "app", "MICROSOFT_CLIENT_SECRET": "secret"}


def options(data: Path, *arguments: str) -> Options:
    """Of a stack on free ports, whose mail provider never answers."""
    everything = ("up", "--data", str(data), *PORTS, *NOWHERE)
    return parse([*everything, *arguments], APP)[1]


def test_the_product_answers_those_who_have_a_token(tmp_path: Path) -> None:
    with Stack(options(tmp_path, "--no-schedule", "--no-dev-login")) as stack:
        url = f"{stack.api_url}/api/email/sync?accountId=none"
        signed_in = {"Authorization": f"Bearer {stack.token()}"}
        health = httpx.get(f"{stack.api_url}/api/health", timeout=30)

        assert health.json() == {"status": "ok"}
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer x"}, timeout=30).status_code == 403
        assert httpx.get(url, headers=signed_in, timeout=30).status_code in (400, 404, 422)


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

    forget_data(tmp_path)

    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_sigterm_stops_everything_and_a_second_stack_is_refused(tmp_path: Path) -> None:
    arguments = ("--data", str(tmp_path), *PORTS, *NOWHERE)
    command = [sys.executable, "-m", "localdev", "up", *arguments]
    environment = {**os.environ, **APP, "PYTHONPATH": "lambdas:."}
    up = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert up.stdout is not None
    while b"Logs" not in (line := up.stdout.readline()):
        assert line, "the stack ended"

    second = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    up.send_signal(signal.SIGTERM)

    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert f"folder {tmp_path} is used by another stack" in second.stderr
    assert up.wait(20) == 0
    up.stdout.close()
    lock_folder(tmp_path, what="data").close()


def test_the_token_that_it_prints_opens_the_api(tmp_path: Path) -> None:
    with what_up_prints(tmp_path, "--no-dev-login") as printed:
        found = re.search(r"TOKEN=(\S+)\n.* (http\S+)/api/test-sync", printed)
        assert found
        token, url = found.groups()
        accounts = f"{url}/api/email/accounts"
        response = httpx.get(accounts, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        without = httpx.get(accounts, timeout=30)

    assert (response.status_code, response.json()["accounts"]) == (200, [])
    assert without.status_code == 401


def test_without_dev_login_the_dashboard_hands_out_no_token(tmp_path: Path) -> None:
    with what_up_prints(tmp_path, "--no-dev-login") as printed:
        address = re.search(r"Dashboard +(\S+)", printed)
        assert address
        data = address[1].partition("?")[0] + "/data/overview"
        stranger = httpx.get(data, timeout=30)
        with httpx.Client(timeout=30) as person:
            person.get(address[1])
            overview = person.get(data).json()

    assert "TOKEN" not in stranger.text
    assert stranger.status_code == 401
    assert (overview["token"], overview["curl"]) == (None, [])


def test_what_it_prints_to_try_can_be_pasted(tmp_path: Path) -> None:
    """Also into zsh, to which `?` is a pattern, and by those who have no AWS credentials."""
    with what_up_prints(tmp_path) as printed:
        pasted = printed.split("Try next:")[1].split("  or open")[0]
        aws = 'aws() { echo "$AWS_ACCESS_KEY_ID $AWS_DEFAULT_REGION $3"; }'
        script = f"shopt -s failglob\n{aws}\n{pasted}"
        shell = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]},
            check=False,
        )

    assert shell.stderr == ""
    assert '"executionArn"' in shell.stdout
    assert re.search(r"LOCAL[0-9A-F]{16} eu-west-1 stepfunctions\n\Z", shell.stdout)


@contextmanager
def what_up_prints(data: Path, *options: str) -> Iterator[str]:
    """By a stack without a mail provider, which runs until the end of the block."""
    arguments = ("--data", str(data), "--no-schedule", *options, *PORTS, *NOWHERE)
    with up(*arguments, **APP) as (_, printed):
        yield printed
