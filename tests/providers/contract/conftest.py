from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from localdev.simulators import Simulators
from mailsync.providers.gmail.provider import GmailMailbox
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.providers.imap import transport, wire
from mailsync.providers.retry_budget import RetryBudget
from tests.providers.contract.played_imap import Played, play_imap
from tests.providers.contract.scripted_gmail import CountingQuota, ScriptedGmail
from tests.providers.contract.scripted_graph import ScriptedGraph, TwoTokens

pytest.register_assert_rewrite(
    "tests.providers.contract.failure_promises",
    "tests.providers.contract.promises",
    "tests.providers.contract.server",
)


@pytest.fixture(scope="session")
def graph_server() -> Iterator[ScriptedGraph]:
    graph = ScriptedGraph()
    yield graph
    graph.stop()


@pytest.fixture
def access() -> TwoTokens:
    return TwoTokens()


@pytest.fixture
def graph(graph_server: ScriptedGraph, access: TwoTokens) -> Iterator[ScriptedGraph]:
    """Graph with a client of this test alone, which never sleeps."""
    graph_server.answers.clear()
    graph_server.requests.clear()
    graph_server.most_in_flight, graph_server.before_answer = 0, lambda: None
    budget = RetryBudget(sleep=lambda _: None)
    mailbox = GraphMailbox(base_url=graph_server.url, access=access, ca_bundle=None, budget=budget)
    with closing(mailbox):
        graph_server.mailbox, graph_server.access = mailbox, access
        yield graph_server


@pytest.fixture(scope="session")
def gmail_server() -> Iterator[ScriptedGmail]:
    gmail = ScriptedGmail()
    yield gmail
    gmail.stop()


@pytest.fixture
def gmail(gmail_server: ScriptedGmail, access: TwoTokens) -> Iterator[ScriptedGmail]:
    """Gmail with a client of this test alone, which never sleeps."""
    gmail_server.routes.clear()
    gmail_server.requests.clear()
    gmail_server.most_in_flight, gmail_server.before_answer = 0, lambda: None
    gmail_server.access, gmail_server.quota = access, CountingQuota()
    mailbox = GmailMailbox(
        base_url=gmail_server.url,
        access=access,
        ca_bundle=None,
        budget=RetryBudget(sleep=lambda _: None),
        quota=gmail_server.quota,
    )
    with closing(mailbox):
        gmail_server.mailbox = mailbox
        yield gmail_server


@pytest.fixture
def played(
    running_imap: Simulators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Played]:
    """Three mails behind a scripted server; the client's time-outs are short."""
    monkeypatch.setattr(wire, "READ_TIMEOUT_S", 0.5)
    monkeypatch.setattr(wire, "COMMAND_TIMEOUT_S", 1.5)
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT_S", 0.5)
    with play_imap(running_imap, tmp_path) as played:
        yield played
