"""Real Postgres for the tests: one server per process, a database without rows per test."""

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pg8000.native
import pytest
from moto.server import ThreadedMotoServer

from localdev.engine.postgres import Postgres
from mailsync.model import AccountId
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.migrate import apply_migrations
from mailsync.store.run_store import RunStore
from tests.store.cluster import Cluster, cluster_in
from tests.support.builders import connect_account
from tests.support.databases import UNSAFE_BUT_QUICK, Databases
from tests.support.emf import Counted, Emitted, counting, emitted

# Whatever the developer's shell has set must not reach the tests.
SETTINGS = ("AWS_", "APP_INBOX_", "CA_BUNDLE", "DATABASE_", "GRAPH_", "MICROSOFT_", "MIGRATION_")
for name in [each for each in os.environ if each.startswith(SETTINGS)]:
    del os.environ[name]
os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"

# How long one example takes is the machine's business.
hypothesis.settings.register_profile("mailsync", deadline=None)
hypothesis.settings.load_profile("mailsync")

# The driver reads each statement anew, character by character, however often it was sent before.
pg8000.native.to_statement = cache(pg8000.native.to_statement)

TEMPLATE = "mailsync_template"


# A stack, CDK, an engine: what these folders set up is dear, and one process does it for a group.
# pytest-xdist begins with the groups of the most tests, and those are the longest as well.
GROUPS = {"deploy": "deploy", "stack": "stack", "workflow": "workflow", "attacks": "attacks"}
# As long as all others of its folder, and with a stack of its own as quick.
GROUPS_OF_FILES = {
    each: "outages" for each in ("test_broken_deployments", "test_memory", "test_outages")
}


def pytest_xdist_auto_num_workers() -> int:
    """Return twice the processors: many tests wait for a server, a browser or a retry."""
    return min(8, 2 * (os.cpu_count() or 1))


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist writes the groups into the ids
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "aws_cdk" in sys.modules:
        raise pytest.UsageError(
            "A test loads CDK on import: tests/deploy/synthesis.py says why not."
        )
    # What takes seconds and belongs to no group goes first, so that the end is short for everybody.
    items.sort(key=lambda item: item.path.parent.name != "torture")
    for item in items:
        group = GROUPS_OF_FILES.get(item.path.stem) or GROUPS.get(item.path.parent.name)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What the libraries and the tests bring is no garbage, so the collector leaves it out."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def no_credentials_of_earlier_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3's default session keeps the first credentials that it finds in its process."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    """The URL of moto's AWS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    """The driver of browsers, which a process can start once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder: Path = tmp_path_factory.mktemp("postgres")
    with Postgres(folder, database=TEMPLATE, settings=UNSAFE_BUT_QUICK) as server:
        apply_migrations(Settings({"DATABASE_URL": server.superuser_socket_url}))
        yield server


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Iterator[Databases]:
    with closing(Databases(postgres, TEMPLATE)) as databases:
        yield databases


@pytest.fixture(scope="session")
def create_database(databases: Databases) -> Callable[[str], str]:
    """Creates a database from a template and returns its URL."""
    return databases.create


@pytest.fixture
def database_url(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a database with the current schema, for this test alone.

    The mark `new_database`: no other test has used it, so nothing is left in its files and its
    statistics.
    """
    if request.node.get_closest_marker("new_database"):
        yield databases.create(TEMPLATE)
        return
    with databases.lent() as url:
        yield url


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings({"DATABASE_URL": database_url})


@pytest.fixture
def empty_settings(create_database: Callable[[str], str]) -> Settings:
    """Of a database without any schema."""
    return Settings({"DATABASE_URL": create_database("template0")})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings)
    yield opened
    opened.close()


@pytest.fixture
def runs(database: Database) -> RunStore:
    return RunStore(database)


@pytest.fixture
def account_id(database: Database) -> AccountId:
    return connect_account(database, "ann")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Counted:
    @contextmanager
    def counted() -> Iterator[Emitted]:
        found: Emitted = {}
        with counting(monkeypatch):
            yield found
        found |= emitted(capsys.readouterr().out)

    return counted


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_in(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """Its roles and databases are this test's alone."""
    yield running_cluster
    running_cluster.forget()
