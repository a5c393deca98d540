"""`make migrate`: what it did or would do, and in one sentence why it could not."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localdev.simulators.entra.certificates import open_server_tls_context
from mailsync import migrate as command
from mailsync.settings import load_settings
from mailsync.store.migrate import read_migrations
from tests.store.cluster import PASSWORD, Cluster
from tests.store.servers import a_server_that_says
from tests.support.paths import ROOT

EVERY = ", ".join(each.version for each in read_migrations())
Ran = Callable[..., tuple[int, str]]
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname = 'mailsync'"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Ran]:
    """One run of the command with these settings in its environment."""

    def run(*arguments: str, **settings: str) -> tuple[int, str]:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        load_settings.cache_clear()
        code = command.main(list(arguments))
        output = capsys.readouterr()
        return code, (output.err if code else output.out).strip()

    yield run
    load_settings.cache_clear()


def test_the_plan_names_what_is_missing_and_writes_nothing(
    run: Ran, cluster: Cluster, owner_url: str
) -> None:
    planned = run("--plan", DATABASE_URL=owner_url)

    assert planned == (0, f"mine on 127.0.0.1: would apply {EVERY}")
    assert cluster.run(SCHEMAS, database="mine") == []


def test_what_was_applied_is_named_and_applied_once(run: Ran, owner_url: str) -> None:
    assert run(DATABASE_URL=owner_url) == (0, f"mine on 127.0.0.1: applied {EVERY}")
    assert run(DATABASE_URL=owner_url) == (0, "mine on 127.0.0.1: nothing to apply")
    assert run("--plan", DATABASE_URL=owner_url) == (0, "mine on 127.0.0.1: nothing to apply")


def test_an_interruption_ends_with_a_sentence(
    run: Ran, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is usual while the command waits for a lock."""

    def interrupt(_: object) -> tuple[str, ...]:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "apply_migrations", interrupt)
    code, printed = run(DATABASE_URL=owner_url)

    assert (code, printed[:12]) == (130, "Interrupted.")


def test_the_owners_login_is_used_where_there_is_one(
    run: Ran, cluster: Cluster, owner_url: str
) -> None:
    cluster.run("CREATE ROLE functions LOGIN")
    functions = cluster.url("functions", "mine")

    elsewhere = functions.replace("/mine", "/other")

    code, said = run(DATABASE_URL=elsewhere, MIGRATION_DATABASE_URL=owner_url)

    assert (code, said.split(" on ")[0]) == (0, "mine")


def refusals(cluster: Cluster) -> dict[str, str]:
    """What is wrong with the URL, by what the sentence must say."""
    url = cluster.url("me", "mine")
    cluster.run(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    return {
        "does not respond": "postgresql://me:secret@127.0.0.1:1/mine",
        "rejects the login": url.replace("secret", "wrong"),
        "needs a login that may do more": cluster.url("guest", "mine"),
        "offers no TLS": cluster.url("me", "mine", host="0.0.0.0"),
        "must look like postgresql://": "mysql://me:secret@localhost/mine",
        "check user, password": url.replace(":secret%20of%20the%20test", ""),
    }


@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATION_DATABASE_URL"])
@pytest.mark.parametrize("is_typed", [True, False], ids=["typed", "in the environment"])
def test_make_passes_a_url_on_as_it_was_given(tmp_path: Path, name: str, is_typed: bool) -> None:
    url = "postgresql://me:a$b$$c${d}#'e\"[f]$(g)@localhost/mine"
    probe = tmp_path / "probe.mk"
    probe.write_text(f"probe:\n\t@printenv {name}\n")
    command = ["make", "-f", str(ROOT / "Makefile"), "-f", str(probe), "probe"]

    # When make runs the tests, its flags would have this one print its folder.
    environment = {key: each for key, each in os.environ.items() if not key.startswith("MAKE")}
    ran = subprocess.run(
        [*command, f"{name}={url}"] if is_typed else command,
        env={**environment, name: url},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == f"{url}\n"


def test_what_stands_in_the_way_is_said_in_one_sentence(
    run: Ran, cluster: Cluster, owner_url: str
) -> None:
    for reason, url in refusals(cluster).items():
        code, sentence = run(DATABASE_URL=url)

        assert code == 1
        assert reason in sentence
        assert sentence.count("\n") == 0
        assert "secret" not in sentence


@contextmanager
def an_impostor(folder: Path) -> Iterator[str]:
    """A server whose certificate no known authority has signed."""
    tls, _ = open_server_tls_context(folder)
    with a_server_that_says(b"S", tls) as port:
        yield f"postgresql://me:secret@0.0.0.0:{port}/mine"


def test_a_certificate_that_nobody_vouches_for_is_refused(run: Ran, tmp_path: Path) -> None:
    with an_impostor(tmp_path) as url:
        code, sentence = run(DATABASE_URL=url)

    assert code == 1
    assert "DATABASE_CA_BUNDLE must be the PEM" in sentence


@pytest.mark.parametrize("read", [str, Path.read_text], ids=["its file", "its text"])
def test_an_authority_is_trusted_by_its_file_and_by_its_text(
    run: Ran, tmp_path: Path, read: Callable[[Path], str]
) -> None:
    """It is trusted as far as the certificate goes: this one is not for 0.0.0.0."""
    _, authority = open_server_tls_context(tmp_path)
    with an_impostor(tmp_path) as url:
        code, sentence = run(DATABASE_URL=url, DATABASE_CA_BUNDLE=read(authority))

    assert code == 1
    assert "certificate of the database is for another host" in sentence


@pytest.mark.parametrize("bundle", ["/no/such.pem", "-----BEGIN CERTIFICATE-----\nnone"])
def test_an_authority_that_is_none_is_named(run: Ran, bundle: str) -> None:
    url = "postgresql://me@db.example.org/mail"

    code, sentence = run(DATABASE_URL=url, DATABASE_CA_BUNDLE=bundle)

    assert (code, "DATABASE_CA_BUNDLE must be the PEM" in sentence) == (1, True)
