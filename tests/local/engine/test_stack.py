import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import httpx
import pytest

from localdev.engine.dev_login import make_demo_user_token_function
from localdev.engine.failure import StartFailed
from localdev.engine.postgres import lock_data_folder
from localdev.options import DEMO_DEFAULT_OPTIONS, Options, parse_command_line
from localdev.stack import Stack, delete_stack_data
from tests.support.up import paste, up

PORTS = ("--api-port", "0", "--aws-port", "0", "--dashboard-port", "0")
NOWHERE = ("--graph-url", "http://127.0.0.1:1/v1.0", "--authority", "https://localhost:1/common")
JWT_SECRET = "the key with which an application signs its tokens"
APP = {"MICROSOFT_CLIENT_ID": "app", "MICROSOFT_CLIENT_SECRET": "secret"}


def options(data: Path, *arguments: str) -> Options:
    """Of a stack on free ports, whose mail provider never answers, if no other is named."""
    nowhere = () if "--provider=imap" in arguments else NOWHERE
    everything = ("up", "--data", str(data), *PORTS, *nowhere)
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
    arguments = ("--data", str(data), "--no-schedule", *PORTS, *NOWHERE)
    with up(*arguments, errors=data / "errors", JWT_SECRET=JWT_SECRET, **APP) as (_, text):
        yield Printed(data, text)
    lock_data_folder(data, what="data").close()  # SIGTERM has stopped everything


def test_the_product_answers_those_who_have_the_token_that_is_printed(printed: Printed) -> None:
    token, url = printed.find(r"TOKEN=(\S+)\n.* (http\S+)/api/test-sync")

    def get(path: str, bearer: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return httpx.get(f"{url}/api/{path}", headers=headers, timeout=30)

    assert get("health").json() == {"status": "ok"}
    assert get("email/accounts").status_code == 401
    assert get("email/accounts", "x").status_code == 403
    assert get("email/accounts", token).json()["accounts"] == []
    assert get("email/sync?accountId=none", token).status_code in (400, 404, 422)


@pytest.mark.parametrize(
    ("option", "host"),
    [
        ("--api-port", "127.0.0.1"),
        ("--api-port", "::1"),
        ("--aws-port", "::1"),
        ("--dashboard-port", "::1"),
        ("--database-port", "127.0.0.1"),
        ("--provider=imap --imap-port", "::1"),
    ],
)
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str, host: str) -> None:
    """Clients of `localhost` reach a server of web pages on ::1 as well as one on 127.0.0.1."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = str(taken.getsockname()[1])

        named = f"Port {port} is in use: give another {option.rsplit(maxsplit=1)[-1]}"
        with pytest.raises(StartFailed, match=named):
            Stack(options(tmp_path, *option.split(), port)).start()


def test_a_second_demo_takes_a_folder_of_its_own(tmp_path: Path) -> None:
    held = [lock_data_folder(tmp_path / name, what="data") for name in ("demo", "demo-2")]
    unreachable = "postgresql://postgres@127.0.0.1:1/mail"
    second = replace(DEMO_DEFAULT_OPTIONS, data=tmp_path / "demo", database_url=unreachable)
    stack = Stack(second)

    with pytest.raises(StartFailed, match="The database could not be prepared"):
        stack.start()

    assert stack.data == tmp_path / "demo-3"
    for lock in held:
        lock.close()


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
    urls = [each["url"] for each in overview["signIns"]]
    assert (overview["simulated"], urls) == (False, [None])


def test_what_it_prints_to_try_can_be_pasted(printed: Printed) -> None:
    shell = paste(printed.text)

    assert shell.stderr == ""
    assert '"executionArn"' in shell.stdout
    assert "received_at | subject" in shell.stdout
    assert re.search(r"LOCAL[0-9A-F]{16} eu-west-1 stepfunctions\n\Z", shell.stdout)


def test_a_token_that_the_application_signed_is_accepted(printed: Printed) -> None:
    (url,) = printed.find(r"API +(\S+)")
    token = make_demo_user_token_function(JWT_SECRET)()

    accounts = httpx.get(
        f"{url}/api/email/accounts", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )

    assert accounts.status_code == 200


def test_a_failed_execution_leaves_the_terminal_alone(printed: Printed) -> None:
    arn, url = printed.find(r"--state-machine-arn (\S+)")[0], printed.find(r"AWS +(\S+)")[0]
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    key, secret = (printed.find(rf"{name}=(\S+)")[0] for name in names)
    client = boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )
    execution = client.start_execution(stateMachineArn=arn, input="{}")["executionArn"]
    while client.describe_execution(executionArn=execution)["status"] == "RUNNING":
        time.sleep(0.2)

    assert client.describe_execution(executionArn=execution)["status"] == "FAILED"
    assert (printed.data / "errors").read_text() == ""
    assert "moto.stepfunctions" in (printed.data / "logs" / "stack.log").read_text()


def test_a_second_stack_on_a_folder_is_refused(printed: Printed) -> None:
    with pytest.raises(StartFailed, match=f"folder {printed.data} is used by another stack"):
        Stack(options(printed.data)).start()


@pytest.mark.parametrize("any_data", [False, True], ids=["up", "demo"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, any_data: bool) -> None:
    (tmp_path / "file").touch()
    chosen = replace(options(tmp_path / "file" / "data"), can_use_other_data_folder=any_data)

    with pytest.raises(StartFailed, match=r"folder \S+/file/data cannot be written \(Not a dir"):
        Stack(chosen).start()


@pytest.mark.parametrize("option", ["--api-port", "--messages", "--time-scale"])
@pytest.mark.parametrize("value", ["many", "-5"])
def test_a_value_that_is_no_number_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    with pytest.raises(SystemExit):
        options(tmp_path, f"{option}={value}")

    assert re.search("no number of messages|is a number", capsys.readouterr().err)
