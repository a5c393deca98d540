"""What Outlook reports in delta rounds, with the oddities that cost clients mail."""

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import INBOX_DELTA, delta_round, error_of, graph_client
from tests.support.mail import a_mail
from tests.support.outlook_form import OutlookForm


def test_id_form_follows_the_header_of_each_request(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox
) -> None:
    mailbox.import_mail_items(a_mail(minutes=minute) for minute in range(12))
    first = graph.get(INBOX_DELTA).json()

    with graph_client(simulators, mailbox) as forgetful:
        second = forgetful.get(first["@odata.nextLink"]).json()

    assert all(each["id"].startswith("AAkALgAA") for each in first["value"])
    assert all(each["id"].startswith("AAMk") for each in second["value"])


def test_read_state_comes_as_a_partial_object_without_etag(
    graph: httpx.Client, mailbox: Mailbox, form: OutlookForm
) -> None:
    message = mailbox.deliver_message(a_mail())
    _, link = delta_round(graph, INBOX_DELTA)

    mailbox.set_message_read(message)

    assert delta_round(graph, link)[0] == [
        {
            "@odata.type": "#microsoft.graph.message",
            "id": form.message_id(message),
            "isRead": True,
            "parentFolderId": form.folder_id("inbox"),
        }
    ]


def test_away_and_back_between_two_polls_loses_the_return(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    message_id = mailbox.deliver_message(a_mail())
    _, link = delta_round(graph, INBOX_DELTA)
    mailbox.move_message(message_id, "archive")
    mailbox.move_message(message_id, "inbox")

    [reported], link = delta_round(graph, link)
    mailbox.change_message_fields(message_id, subject="Changed")
    [again], _ = delta_round(graph, link)

    assert reported["@removed"] == {"reason": "deleted"}
    assert again["subject"] == "Changed"


def test_older_mail_moved_in_comes_twice_in_one_page(
    graph: httpx.Client, mailbox: Mailbox, form: OutlookForm
) -> None:
    mailbox.deliver_message(a_mail(minutes=9))
    older = mailbox.deliver_message(a_mail(minutes=1), "archive")
    _, link = delta_round(graph, INBOX_DELTA)

    mailbox.move_message(older, "inbox")

    assert [each["id"] for each in delta_round(graph, link)[0]] == [form.message_id(older)] * 2


def test_a_link_may_be_asked_again_but_old_generations_are_gone(graph: httpx.Client) -> None:
    _, first = delta_round(graph, INBOX_DELTA)
    for _ in range(9):
        delta_round(graph, first)
    link = first
    for _ in range(4):
        _, link = delta_round(graph, link)

    refused = graph.get(first)

    assert error_of(refused) == (410, "SyncStateNotFound")
    assert "generation=1;[highest=5][2][3][4][5]" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{INBOX_DELTA}?$deltatoken=garbage", "BadRequest"),
        (f"{INBOX_DELTA}?$select=wellKnownName", "BadRequest"),
        (f"{INBOX_DELTA}?$filter=isRead eq true", "ErrorInvalidUrlQuery"),
        (f"{INBOX_DELTA}?$orderby=subject", "ErrorInvalidUrlQuery"),
        ("/me/messages/delta", "BadRequest"),
    ],
)
def test_what_delta_cannot_do_is_refused(graph: httpx.Client, path: str, code: str) -> None:
    assert error_of(graph.get(path)) == (400, code)
