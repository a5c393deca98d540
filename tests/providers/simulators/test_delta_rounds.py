"""What Outlook reports in delta rounds, with the oddities that cost clients mail."""

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import (
    INBOX_DELTA,
    a_mail,
    delta_round,
    error_of,
    graph_client,
)


def test_a_walk_serves_every_message_once_newest_first(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    ids = [mailbox.deliver(a_mail(minutes=minute)) for minute in range(25)]

    walked, _ = delta_round(graph, INBOX_DELTA)

    assert [each["id"] for each in walked] == list(reversed(ids))


def test_pages_hold_ten_unless_preferred_on_that_very_request(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    mailbox.load(a_mail(minutes=minute) for minute in range(40))

    first = graph.get(INBOX_DELTA, headers={"Prefer": "odata.maxpagesize=15"}).json()
    second = graph.get(first["@odata.nextLink"]).json()

    assert [len(first["value"]), len(second["value"])] == [15, 10]


def test_id_form_follows_the_header_of_each_request(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox
) -> None:
    mailbox.load(a_mail(minutes=minute) for minute in range(12))
    first = graph.get(INBOX_DELTA).json()

    with graph_client(simulators, mailbox) as forgetful:
        second = forgetful.get(first["@odata.nextLink"]).json()

    assert all(each["id"].startswith("AAkALgAA") for each in first["value"])
    assert all(each["id"].startswith("AAMk") for each in second["value"])


def test_read_state_comes_as_a_partial_object_without_etag(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    message_id = mailbox.deliver(a_mail())
    _, link = delta_round(graph, INBOX_DELTA)

    mailbox.update(message_id, isRead=True)

    assert delta_round(graph, link)[0] == [
        {
            "@odata.type": "#microsoft.graph.message",
            "id": message_id,
            "isRead": True,
            "parentFolderId": mailbox.folders.find("inbox").id,
        }
    ]


def test_read_state_is_not_reported_where_it_is_not_selected(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    message_id = mailbox.deliver(a_mail())
    _, link = delta_round(graph, f"{INBOX_DELTA}?$select=subject")

    mailbox.update(message_id, isRead=True)

    assert delta_round(graph, link)[0] == []


def test_other_edits_come_as_the_whole_selected_object(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    message_id = mailbox.deliver(a_mail())
    _, link = delta_round(graph, f"{INBOX_DELTA}?$select=subject,flag")

    mailbox.update(message_id, flag={"flagStatus": "flagged"})

    [reported] = delta_round(graph, link)[0]
    assert reported.keys() == {"@odata.type", "@odata.etag", "id", "subject", "flag"}


def test_a_move_is_a_removal_here_and_an_addition_there(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    message_id = mailbox.deliver(a_mail())
    archive_delta = "/me/mailFolders/archive/messages/delta"
    links = [delta_round(graph, start)[1] for start in (INBOX_DELTA, archive_delta)]

    mailbox.move(message_id, "archive")

    [gone], [added] = (delta_round(graph, link)[0] for link in links)
    assert gone["@removed"] == {"reason": "deleted"}
    assert gone["id"] == added["id"] == message_id


def test_a_move_changes_the_default_id(simulators: Simulators, mailbox: Mailbox) -> None:
    message_id = mailbox.deliver(a_mail())
    before = mailbox.message(message_id).default_id
    with graph_client(simulators, mailbox) as graph:
        _, link = delta_round(graph, INBOX_DELTA)
        mailbox.move(message_id, "archive")
        mailbox.move(message_id, "inbox")
        reported, _ = delta_round(graph, link)
        stale = graph.get(f"/me/messages/{before}")

    after = mailbox.message(message_id).default_id
    assert [(each["id"], "@removed" in each) for each in reported] == [
        (before, True),
        (after, False),
    ]
    assert error_of(stale) == (404, "ErrorItemNotFound")


def test_away_and_back_between_two_polls_loses_the_return(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    message_id = mailbox.deliver(a_mail())
    _, link = delta_round(graph, INBOX_DELTA)
    mailbox.move(message_id, "archive")
    mailbox.move(message_id, "inbox")

    [reported], link = delta_round(graph, link)
    mailbox.update(message_id, subject="Changed")
    [again], _ = delta_round(graph, link)

    assert reported["@removed"] == {"reason": "deleted"}
    assert again["subject"] == "Changed"


def test_older_mail_moved_in_comes_twice_in_one_page(graph: httpx.Client, mailbox: Mailbox) -> None:
    mailbox.deliver(a_mail(minutes=9))
    older = mailbox.deliver(a_mail(minutes=1), "archive")
    _, link = delta_round(graph, INBOX_DELTA)

    mailbox.move(older, "inbox")

    assert [each["id"] for each in delta_round(graph, link)[0]] == [older, older]


def test_changes_made_during_a_walk_are_reported_after_it(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    ids = [mailbox.deliver(a_mail(minutes=minute)) for minute in range(15)]
    first = graph.get(INBOX_DELTA).json()
    mailbox.purge(ids[14])
    newer = mailbox.deliver(a_mail(minutes=99))

    _, link = delta_round(graph, first["@odata.nextLink"])
    reported = {each["id"]: "@removed" in each for each in delta_round(graph, link)[0]}

    assert reported == {ids[14]: True, newer: False}


def test_a_link_may_be_asked_again_but_old_generations_are_gone(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    _, first = delta_round(graph, INBOX_DELTA)
    for _ in range(9):
        delta_round(graph, first)
    link = first
    for _ in range(4):
        _, link = delta_round(graph, link)

    refused = graph.get(first)

    assert error_of(refused) == (410, "SyncStateNotFound")
    assert "generation=1;[highest=5][2][3][4][5]" in refused.json()["error"]["message"]


def test_expired_links_answer_410_and_a_new_walk_works(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    mailbox.deliver(a_mail())
    _, link = delta_round(graph, INBOX_DELTA)

    mailbox.expire_delta_links("inbox")

    assert error_of(graph.get(link)) == (410, "SyncStateNotFound")
    assert len(delta_round(graph, INBOX_DELTA)[0]) == 1


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


def test_folder_delta_reports_the_tree_at_all_levels(graph: httpx.Client, mailbox: Mailbox) -> None:
    top = mailbox.folders.create("Reports")
    nested = mailbox.folders.create("Reports", parent=top.id)
    reported, link = delta_round(graph, "/me/mailFolders/delta")
    mailbox.folders.rename(nested.id, "Berichte")
    mailbox.purge_folder(mailbox.folders.create("Short-lived").id)

    changed, _ = delta_round(graph, link)

    parents = {each["id"]: each["parentFolderId"] for each in reported}
    assert parents[nested.id] == top.id
    assert "Conversation History" not in {each["displayName"] for each in reported}
    assert [each.get("displayName") for each in changed] == ["Berichte", None]
    assert "@removed" in changed[1]
