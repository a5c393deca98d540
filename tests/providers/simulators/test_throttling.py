"""Four in flight for one mailbox, over all connections, and what becomes of batches."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.behaviour import LATENCY_BY_NAME, Latency
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import graph_client


@pytest.fixture
def slow(simulators: Simulators) -> Iterator[Simulators]:
    simulators.service.latency = Latency(fixed_s=0.4)
    yield simulators
    simulators.service.latency = LATENCY_BY_NAME["none"]


def statuses(simulators: Simulators, mailbox: Mailbox, width: int) -> list[int]:
    """Of so many requests at once, each on a connection of its own."""
    together = Barrier(width)

    def ask(_: int) -> int:
        with graph_client(simulators, mailbox) as graph:
            together.wait(timeout=20)
            return graph.get("/me").status_code

    with ThreadPoolExecutor(width) as pool:
        return sorted(pool.map(ask, range(width)))


def batch_of(*urls: str) -> dict[str, object]:
    numbered = enumerate(urls)
    return {"requests": [{"id": str(at), "method": "GET", "url": url} for at, url in numbered]}


@pytest.mark.parametrize(("limit", "width"), [(4, 6), (2, 3)])
def test_so_many_connections_pass_and_the_next_ones_are_refused(
    limit: int, width: int, slow: Simulators, mailbox: Mailbox
) -> None:
    """Four, or two where other apps take the rest."""
    slow.service.set_microsoft_behaviour_switches(requests_in_flight=limit)

    assert statuses(slow, mailbox, width) == [200] * limit + [429] * (width - limit)


def test_the_window_counts_refused_requests_too(
    simulators: Simulators, graph: httpx.Client
) -> None:
    simulators.service.set_microsoft_behaviour_switches(requests_per_window=3)

    answers = [graph.get("/me").status_code for _ in range(5)]

    assert answers == [200, 200, 200, 429, 429]


def test_a_batch_of_twenty_runs_four_at_a_time(slow: Simulators, graph: httpx.Client) -> None:
    slow.service.latency = Latency(fixed_s=0.02)

    response = graph.post("/$batch", json=batch_of(*["/me"] * 20)).json()

    assert [each["status"] for each in response["responses"]] == [200] * 20
    in_flight = [record.in_flight for record in slow.service.log.records()]
    assert len(in_flight) == 20
    assert max(in_flight) <= 3


TWICE = {"requests": [{"id": "1", "method": "GET", "url": "/me"}] * 2}


@pytest.mark.parametrize("batch", [batch_of(*["/me"] * 21), batch_of(), {"requests": [{}]}, TWICE])
def test_a_malformed_batch_is_refused_as_a_whole(
    graph: httpx.Client, batch: dict[str, object]
) -> None:
    assert graph.post("/$batch", json=batch).status_code == 400
