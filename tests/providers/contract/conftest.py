from collections.abc import Iterator

import pytest

from mailsync.providers.graph.provider import GraphMailbox
from mailsync.providers.retry_budget import RetryBudget
from tests.providers.contract.scripted_graph import ScriptedGraph, TwoTokens


@pytest.fixture(scope="session")
def graph_server() -> Iterator[ScriptedGraph]:
    graph = ScriptedGraph()
    yield graph
    graph.stop()


@pytest.fixture
def graph(graph_server: ScriptedGraph) -> ScriptedGraph:
    graph_server.answers.clear()
    graph_server.requests.clear()
    return graph_server


@pytest.fixture
def access() -> TwoTokens:
    return TwoTokens()


@pytest.fixture
def mailbox(graph: ScriptedGraph, access: TwoTokens) -> Iterator[GraphMailbox]:
    budget = RetryBudget(sleep=lambda _: None)
    mailbox = GraphMailbox(base_url=graph.url, access=access, ca_bundle=None, budget=budget)
    yield mailbox
    mailbox.close()
