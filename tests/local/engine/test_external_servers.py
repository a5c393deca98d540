"""A local stack against servers of the user's own: checked at start, by paths as they are typed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from localdev.demo_account import connect
from localdev.engine.failure import StartFailed
from localdev.engine.simulator_process import ProviderSettings
from localdev.mail.generate import generate_mail_items
from localdev.options import DEMO_DEFAULT_OPTIONS, Options, parse_command_line
from localdev.simulators import CLIENT_ID, CLIENT_SECRET, Simulators
from localdev.stack import LAMBDA_SOURCE_CODE_FOLDER, REPOSITORY_ROOT
from mailsync.credentials.identity.entra_settings import EntraSettings
from tests.support.app_certificate import app_certificate

SERVERS = (
    "--graph-url",
    "https://graph.example.org/v1.0",
    "--authority",
    "https://id.example.org/t",
)
APP = {"MICROSOFT_CLIENT_ID": "app", "MICROSOFT_CLIENT_SECRET": "pass-word"}
DATABASE = {"DATABASE_URL": "postgresql://ann@db.example.org/mail"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is started; it has a folder `pem` with an authority and a certificate."""
    (tmp_path / "pem").mkdir()
    pem = app_certificate()
    (tmp_path / "pem/app.pem").write_text(pem)
    (tmp_path / "pem/ca.pem").write_text(pem[: pem.index("-----BEGIN PRIVATE")])
    (tmp_path / "pem/no.pem").write_text("no certificate")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(*arguments: str, **environment: str) -> Options:
    return parse_command_line(["up", *arguments], environment)[1]


def test_without_servers_of_ones_own_their_settings_are_left_alone() -> None:
    assert options(**APP, CA_BUNDLE="nowhere.pem") == Options()


def test_mail_servers_of_ones_own_turn_dev_login_off_and_are_checked_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = options(IMAP_SERVERS="public, imap.example.org:993", CA_BUNDLE="pem/ca.pem")

    assert not chosen.is_dev_login_in_effect
    assert chosen.external_mail_server_settings is not None
    assert chosen.external_mail_server_settings.ca_bundle_pem == (folder / "pem/ca.pem").read_text()
    for wrong in ({"IMAP_SERVERS": "imap.example.org"}, {"CA_BUNDLE": "pem/no.pem"}):
        with pytest.raises(SystemExit):
            options(**{"IMAP_SERVERS": "public", **wrong})
        assert next(iter(wrong)) in capsys.readouterr().err


def test_a_simulated_mailbox_is_one_of_microsoft_unless_imap_is_chosen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not options().serves_imap
    assert options("--provider", "imap").serves_imap
    for arguments, code in ((["--provider", "pop3"], 1), ([*SERVERS, "--provider", "imap"], 2)):
        with pytest.raises(SystemExit) as ended:
            options(*arguments, **APP)
        assert ended.value.code == code
    assert capsys.readouterr().err.count("--provider") == 2


def test_servers_of_ones_own_turn_dev_login_off_as_its_option_does() -> None:
    assert options().is_dev_login_in_effect
    for chosen in (("--no-dev-login",), ("--database-url", DATABASE["DATABASE_URL"]), SERVERS):
        assert not options(*chosen, **APP).is_dev_login_in_effect


def test_the_environment_may_name_the_servers_and_an_option_wins() -> None:
    graph_url, authority = SERVERS[1::2]
    environment = {"GRAPH_URL": graph_url, "MICROSOFT_AUTHORITY": authority, **APP}

    by_environment = options(**environment).external_provider_settings
    by_option = options(
        "--authority", "https://other.example.org/t", **environment
    ).external_provider_settings

    assert by_environment == options(*SERVERS, **APP).external_provider_settings
    assert by_option is not None
    assert (by_option.graph_url, by_option.entra_authority_url) == (
        graph_url,
        "https://other.example.org/t",
    )


def test_relative_paths_are_of_the_folder_in_which_the_command_was_started(folder: Path) -> None:
    chosen = options(
        *SERVERS,
        MICROSOFT_CLIENT_ID="app",
        MICROSOFT_CLIENT_CERTIFICATE="pem/app.pem",
        CA_BUNDLE="pem/ca.pem",
        DATABASE_CA_BUNDLE="./pem/ca.pem",
        **DATABASE,
    )

    assert chosen.external_provider_settings is not None
    assert chosen.external_database_settings is not None
    ca_bundle = str(folder / "pem/ca.pem")
    assert (
        chosen.external_provider_settings.ca_bundle,
        chosen.external_database_settings.ca_bundle_path_or_pem,
    ) == (ca_bundle, ca_bundle)
    certificate = EntraSettings(
        chosen.external_provider_settings.lambda_environment_variables
    ).client_certificate
    assert certificate == (folder / "pem/app.pem").read_text().strip()
    assert options("--mbox", "pem").mbox == folder / "pem"


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (SERVERS[:2], APP, "give --authority too"),
        (SERVERS[2:], APP, "give --graph-url too"),
        ((), {"GRAPH_URL": SERVERS[1], **APP}, "give --authority too"),
        (("--graph-url", "graph.example.org", *SERVERS[2:]), APP, "GRAPH_URL must be an https"),
        (SERVERS, {}, "set MICROSOFT_CLIENT_ID"),
        (SERVERS, {"MICROSOFT_CLIENT_SECRET": "pass-word"}, "set MICROSOFT_CLIENT_ID"),
        (SERVERS, {"MICROSOFT_CLIENT_ID": "app"}, "MICROSOFT_CLIENT_SECRET or"),
        (SERVERS, {**APP, "CA_BUNDLE": "nowhere.pem"}, "CA_BUNDLE names {folder}/nowhere.pem"),
        (SERVERS, {**APP, "CA_BUNDLE": "pem"}, "CA_BUNDLE names {folder}/pem"),
        (SERVERS, {**APP, "CA_BUNDLE": "pem/no.pem"}, "{folder}/pem/no.pem is none"),
        (SERVERS, {**APP, "MICROSOFT_CLIENT_CERTIFICATE": "x.pem"}, "names {folder}/x.pem"),
        (SERVERS, {**APP, "MICROSOFT_CLIENT_CERTIFICATE": "pem/ca.pem"}, "and its private key"),
        (SERVERS, {**APP, "MICROSOFT_TENANTS": "ours"}, "MICROSOFT_TENANTS must list"),
        ((), {**DATABASE, "DATABASE_CA_BUNDLE": "x.pem"}, "DATABASE_CA_BUNDLE names {folder}"),
        ((), {**DATABASE, "DATABASE_CA_BUNDLE": "-----BEGIN x"}, "its text is none"),
        ((*SERVERS, "--mbox", "pem"), APP, "leave one of them out"),
        (("--mbox", "nowhere.mbox"), {}, "there is no nowhere.mbox"),
        ((), {"JWT_SECRET": "short"}, "JWT_SECRET"),
    ],
)
def test_what_cannot_work_is_said_at_start_in_one_sentence(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        options(*arguments, **environment)

    sentence = capsys.readouterr().err
    assert ended.value.code == 2
    assert message.format(folder=folder) in sentence
    assert sentence.count("\n") == 1
    assert APP["MICROSOFT_CLIENT_SECRET"] not in sentence


@pytest.mark.parametrize("command", ["up", "demo"])
def test_the_help_names_every_setting_that_is_read(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = (
        REPOSITORY_ROOT / "localdev" / name for name in ("external_servers.py", "options.py")
    )
    read = set(re.findall(r'"([A-Z]+_[A-Z_]+)"', "".join(each.read_text() for each in sources)))

    with pytest.raises(SystemExit):
        parse_command_line([command, "--help"])

    shown = capsys.readouterr().out
    assert {name for name in read if name not in shown} == set()
    assert len(read) > 5


def test_settings_of_the_api_come_from_the_environment() -> None:
    given = {"API_LIMITS": "sync=1", "CONFIRM_CONNECTIONS": "true", "HOME": "/"}

    chosen = options(**given)

    assert chosen.api_environment_variables == {
        name: given[name] for name in ("API_LIMITS", "CONFIRM_CONNECTIONS")
    }


def test_pages_of_the_application_may_use_the_api() -> None:
    assert options().cors_origins == ("http://localhost:3000", "http://localhost:3001")
    assert options(APP_INBOX_URL="https://app.test:8443/in?box=1").cors_origins == (
        "https://app.test:8443",
    )
    assert options("--cors-origins", "http://a.test,http://b.test").cors_origins == (
        "http://a.test",
        "http://b.test",
    )
    assert options("--cors-origins", "").cors_origins == ()


def made(target: str, *variables: str) -> tuple[str, Options]:
    """Return the command and options with which `make` starts `localdev`."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/"}
    printed = subprocess.run(
        ["make", "-n", "-o", ".venv/ready", "-C", REPOSITORY_ROOT, target, *variables],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")
    command = next(line for line in printed.splitlines() if " -m localdev " in line)
    return parse_command_line(shlex.split(command.partition(" -m localdev ")[2]), {})


def test_make_passes_the_ports_of_its_variables() -> None:
    variables = ("API_PORT=3100", "AWS_PORT=4600", "DASHBOARD_PORT=8300", "DATABASE_PORT=5499")
    chosen = Options(api_port=3100, aws_port=4600, dashboard_port=8300, database_port=5499)

    assert made("dev") == ("up", Options())
    assert made("dev", *variables) == ("up", chosen)
    assert made("dev", "CORS_ORIGINS=a,b") == ("up", Options(cors_origins=("a", "b")))
    assert made("demo", *variables) == ("demo", DEMO_DEFAULT_OPTIONS)
    assert {
        DEMO_DEFAULT_OPTIONS.api_port,
        DEMO_DEFAULT_OPTIONS.aws_port,
        DEMO_DEFAULT_OPTIONS.dashboard_port,
    } == {0}


def demo(folder: Path, simulators: Simulators) -> subprocess.CompletedProcess[str]:
    """The demo as it is started in that folder, against these simulators."""
    ports = (each for name in ("api", "aws", "dashboard") for each in (f"--{name}-port", "0"))
    return subprocess.run(
        [sys.executable, "-m", "localdev", "demo", *ports, "--time-scale", "0.1", "--data", "data"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{LAMBDA_SOURCE_CODE_FOLDER}:{REPOSITORY_ROOT}",
            "GRAPH_URL": simulators.graph_url,
            "MICROSOFT_AUTHORITY": simulators.entra_authority_url,
            "MICROSOFT_CLIENT_ID": CLIENT_ID,
            "MICROSOFT_CLIENT_SECRET": CLIENT_SECRET,
            "CA_BUNDLE": str(simulators.ca_bundle.relative_to(folder)),
            "SIMULATOR_SECRET": simulators.control_secret,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_runs_against_servers_whose_authority_is_named_by_a_relative_path(
    tmp_path: Path,
) -> None:
    with Simulators(tmp_path / "elsewhere") as simulators:
        simulators.find_or_create_mailbox("ada@example.com").import_mail_items(
            generate_mail_items(40, owner="ada@example.com")
        )
        shown = demo(tmp_path, simulators)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert '"syncTotal": 41' in shown.stdout
    assert (tmp_path / "data" / "postgres").is_dir()
    assert "make dev " in shown.stdout.partition("Next:")[2]


def test_the_demo_says_that_it_needs_a_simulated_mailbox() -> None:
    """It fails so before its first request to the API; `localdev` prints the sentence."""
    elsewhere = ProviderSettings(
        graph_url="http://127.0.0.1:1/v1.0", entra_authority_url="", client_id="app"
    )

    with pytest.raises(StartFailed) as failed:
        connect("http://127.0.0.1:1", elsewhere, "token")

    assert "\n" not in str(failed.value)
    assert "no simulated mailbox at http://127.0.0.1:1/v1.0 (ConnectError)" in str(failed.value)
