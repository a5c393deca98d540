import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from localdev.engine.failure import StartFailed
from localdev.engine.postgres import lock_folder
from localdev.options import Options, parse_command_line
from localdev.stack import Stack, delete_stack_data
from tests.support.up import up

PORTS = ("--api-port", "0", "--aws-port", "0", "--dashboard-port", "0")
NOWHERE = ("--graph-url", "http://127.0.0.1:1/v1.0", "--authority", "https://localhost:1/common")
APP = {"MICROSOFT_CLIENT_ID": "app", "MICROSOFT_CLIENT_SECRET": "secret"}


def options(data: Path, *arguments: str) -> Options:
    """Of a stack on free ports, whose mail provider never answers."""
    everything = ("up", "--data", str(data), *PORTS, *NOWHERE)
    return parse_command_line([*everything, *arguments], APP)[1]


@dataclass(frozen=True)
class Printed:
    """What a stack prints that has no mail provider, and so no dev login; it runs meanwhile."""

    data: Path
    text: str

    def find(self, pattern: str) -> tuple[str, ...]:
        found = re.search(pattern, self.text)
        assert found
        return found.groups()


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printed]:
    data = tmp_path_factory.mktemp("stack")
    with up("--data", str(data), "--no-schedule", *PORTS, *NOWHERE, **APP) as (_, text):
        yield Printed(data, text)
    lock_folder(data, what="data").close()  # SIGTERM has stopped everything


def test_the_product_answers_those_who_have_the_token_that_is_printed(
    printed: Printed,
) -> None:
    token, url = printed.find(r"TOKEN=(\S+)\n.* (http\S+)/api/test-sync")

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


def test_without_dev_login_the_dashboard_shows_a_stranger_nothing(printed: Printed) -> None:
    (address,) = printed.find(r"Dashboard +(\S+)")
    data = address.partition("?")[0] + "/data/overview"
    stranger = httpx.get(data, timeout=30)
    with httpx.Client(timeout=30) as person:
        person.get(address)
        overview = person.get(data).json()

    assert stranger.status_code == 401
    assert (overview["simulated"], overview["signInUrl"]) == (False, None)


def test_what_it_prints_to_try_can_be_pasted(printed: Printed) -> None:
    """Also into zsh, to which `?` is a pattern, and by those who have no AWS credentials."""
    pasted = printed.text.split("Try next:")[1].split("  or open")[0]
    aws = 'aws() { echo "$AWS_ACCESS_KEY_ID $AWS_DEFAULT_REGION $3"; }'
    script = f"shopt -s failglob\n{aws}\n{pasted}"

    environment = {"PATH": os.environ["PATH"]}
    shell = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False
    )

    assert shell.stderr == ""
    assert '"executionArn"' in shell.stdout
    assert re.search(r"LOCAL[0-9A-F]{16} eu-west-1 stepfunctions\n\Z", shell.stdout)


def test_a_second_stack_on_a_folder_is_refused(printed: Printed) -> None:
    with pytest.raises(StartFailed, match=f"folder {printed.data} is used by another stack"):
        Stack(options(printed.data)).start()
