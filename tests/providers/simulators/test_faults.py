"""Bad days on demand: each rule injects its fault into what it names, as often as it says."""

import time
from typing import Any

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import INBOX_DELTA, error_of
from tests.support.mail import a_mail


def control(simulators: Simulators, method: str, action: str, **fields: Any) -> httpx.Response:
    url = f"{simulators.control_url}/{action}"
    return httpx.request(method, url, json=fields, headers=simulators.control_headers)


def script(simulators: Simulators, *rules: dict[str, Any]) -> None:
    response = control(simulators, "POST", "faults", rules=list(rules))
    assert response.status_code == 200, response.text


def test_a_rule_strikes_the_nth_matching_request_so_many_times(
    simulators: Simulators, graph: httpx.Client
) -> None:
    fault = {"status": 503, "code": "MailboxInfoStale", "retry_after": 2}
    match = {"path": r"/mailFolders/\w+$", "nth": 2}
    script(simulators, {"match": match, "times": 2, "fault": fault})

    answers = [graph.get("/me/mailFolders/inbox") for _ in range(4)]

    assert [each.status_code for each in answers] == [200, 503, 503, 200]
    assert error_of(answers[1]) == (503, "MailboxInfoStale")
    assert answers[1].headers["Retry-After"] == "2"
    assert graph.get("/me").status_code == 200


def test_a_rule_ends_after_its_time(simulators: Simulators, graph: httpx.Client) -> None:
    fault = {"status": 429, "retry_after": 1}
    began = time.monotonic()
    script(simulators, {"times": None, "lasts_s": 0.2, "fault": fault})

    assert graph.get("/me").status_code == 429
    while graph.get("/me").status_code == 429:
        assert time.monotonic() - began < 5
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("cut", ["before answer", "mid body"])
def test_a_connection_can_be_cut(simulators: Simulators, graph: httpx.Client, cut: str) -> None:
    script(simulators, {"fault": {"cut": cut}})

    with pytest.raises(httpx.RemoteProtocolError):
        graph.get("/me")

    assert graph.get("/me").status_code == 200


def test_bodies_can_be_empty_html_or_half(simulators: Simulators, graph: httpx.Client) -> None:
    script(simulators, {"fault": {"status": 503, "body": ""}})
    script(simulators, {"fault": {"status": 502, "html": True}})
    script(simulators, {"fault": {"truncate_json": True}})

    empty, page, half = (graph.get("/me") for _ in range(3))

    assert (empty.status_code, empty.content) == (503, b"")
    assert page.headers["Content-Type"] == "text/html"
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        half.json()


def test_pages_can_be_forged(simulators: Simulators, graph: httpx.Client, mailbox: Mailbox) -> None:
    mailbox.import_mail_items(a_mail(minutes=minute) for minute in range(11))
    for page, number in (("empty", 0), ("same link", 10), ("ever same", 10)):
        script(simulators, {"fault": {"page": page}})

        forged = graph.get(INBOX_DELTA).json()

        assert len(forged["value"]) == number
        assert len(graph.get(forged["@odata.nextLink"]).json()["value"]) == 10


def test_an_unknown_fault_is_refused(simulators: Simulators) -> None:
    rules = [{"fault": {"page": "upside down"}}]

    assert control(simulators, "POST", "faults", rules=rules).status_code == 400


def test_the_log_shows_the_requests(simulators: Simulators, graph: httpx.Client) -> None:
    link = graph.get(INBOX_DELTA).json()["@odata.deltaLink"]
    graph.get(link)

    logged = control(simulators, "GET", "requests").json()

    assert [(each["link"], each["status"]) for each in logged] == [(None, 200), ("delta", 200)]
    assert all("ImmutableId" in each["prefer"] for each in logged)
    control(simulators, "DELETE", "requests")
    assert control(simulators, "GET", "requests").json() == []
