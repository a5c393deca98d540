"""Answers that are well-formed and wrong, one by one and item by item."""

from typing import Any

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import INBOX_DELTA, delta_round, error_of
from tests.providers.simulators.test_faults import script
from tests.providers.simulators.test_throttling import batch_of
from tests.support.mail import a_mail
from tests.support.outlook_form import OutlookForm

LIST = "/me/mailFolders/inbox/messages?$select=subject,isRead&$top=3&$count=true"
FOLDERS = "/me/mailFolders?$top=20"


@pytest.fixture
def numbers(mailbox: Mailbox) -> list[int]:
    """Of five messages in the inbox, the newest first."""
    mailbox.import_mail_items(a_mail(f"mail {minute}", minutes=minute) for minute in range(5))
    return [each.message_number for each in mailbox.list_messages_in_folders("inbox")]


@pytest.fixture
def ids(numbers: list[int], form: OutlookForm) -> list[str]:
    """Graph's ids of the five messages."""
    return [form.message_id(number) for number in numbers]


def forge(simulators: Simulators, path: str, page: str, **more: Any) -> None:
    """For the next request of this path."""
    script(simulators, {"match": {"path": path}, "fault": {"page": page, **more}})


def named(page: dict[str, Any]) -> list[str]:
    return [each["id"] for each in page["value"]]


def test_a_list_may_lack_what_it_held(
    simulators: Simulators, graph: httpx.Client, ids: list[str]
) -> None:
    """All of it, what is behind its first page, every second entry, or those that are named."""
    for page, about, kept, counted in (
        ("nothing", [], [], 0),
        ("no link", [], ids[:3], 5),
        ("less", [], [ids[1]], 3),
        ("less", [ids[1]], [ids[0], ids[2]], 4),
    ):
        forge(simulators, "/messages", page, about=about)

        forged, right = (graph.get(LIST).json() for _ in range(2))

        assert (named(forged), forged["@odata.count"]) == (kept, counted)
        assert ("@odata.nextLink" in forged) is (page == "less")
        assert (named(right), right["@odata.count"]) == (ids[:3], 5)


def test_changes_may_be_swallowed_for_good(
    simulators: Simulators,
    graph: httpx.Client,
    mailbox: Mailbox,
    numbers: list[int],
    ids: list[str],
) -> None:
    """All of them, those of some messages, the removals alone, and the others alone."""
    simulators.service.set_microsoft_behaviour_switches(largest_page=2)
    _, link = delta_round(graph, INBOX_DELTA)
    for page, about, reported in (
        ("nothing", [], []),
        ("less", [ids[0]], [ids[1], ids[4]]),
        ("no removals", [], [ids[0], ids[1]]),
        ("no changes", [], [ids[4]]),
    ):
        for number in numbers[:2]:
            mailbox.change_message_fields(number, subject=f"changed before {page}")
        mailbox.move_message(numbers[4], "archive")
        rule = {"match": {"path": "/delta"}, "times": None, "fault": {"page": page, "about": about}}
        script(simulators, rule)

        forged, link = delta_round(graph, link)

        simulators.service.faults.remove_all_rules()
        assert [each["id"] for each in forged] == reported
        assert delta_round(graph, link)[0] == []
        mailbox.move_message(numbers[4], "inbox")
        _, link = delta_round(graph, link)


def test_what_is_there_may_be_reported_as_removed(
    simulators: Simulators,
    graph: httpx.Client,
    mailbox: Mailbox,
    numbers: list[int],
    ids: list[str],
) -> None:
    _, link = delta_round(graph, INBOX_DELTA)
    for number in numbers[:2]:
        mailbox.change_message_fields(number, subject="changed")
    forge(simulators, "/delta", "removed", about=ids[1:])

    forged, link = delta_round(graph, link)

    assert {each["id"]: "@removed" in each for each in forged} == {ids[0]: False, ids[1]: True}
    assert delta_round(graph, link)[0] == []


def test_items_may_be_reduced_to_their_ids_and_etags(
    simulators: Simulators, graph: httpx.Client, ids: list[str]
) -> None:
    forge(simulators, "/messages", "partial", about=ids[:1])
    forge(simulators, f"/messages/{ids[1]}", "partial")

    listed = graph.get(LIST).json()["value"]
    alone = graph.get(f"/me/messages/{ids[1]}").json()

    assert listed[0].keys() == {"@odata.etag", "id"}
    assert listed[1].keys() > {"subject", "isRead"}
    assert alone.keys() == {"@odata.context", "@odata.etag", "id"}


def test_a_folder_may_be_counted_wrongly_or_not_at_all(
    simulators: Simulators, graph: httpx.Client, form: OutlookForm, ids: list[str]
) -> None:
    """In every list, in delta and alone, and the other folders as they are."""
    inbox = form.folder_id("inbox")
    for path in (FOLDERS, "/me/mailFolders/delta", f"/me/mailFolders/{inbox}"):
        for page, off_by, total in (("miscounted", -6, -1), ("uncounted", 0, None)):
            forge(simulators, "/mailFolders", page, about=[inbox], off_by=off_by)
            found = graph.get(path).json()
            folders = {each["id"]: each for each in found.get("value", [found])}

            assert folders.pop(inbox)["totalItemCount"] == total
            assert {each["totalItemCount"] for each in folders.values()} <= {0}


def test_an_earlier_answer_may_be_served_again(
    simulators: Simulators,
    graph: httpx.Client,
    mailbox: Mailbox,
    numbers: list[int],
    ids: list[str],
) -> None:
    """To a list, to delta with its old link, and to a message by its id."""
    simulators.service.set_microsoft_behaviour_switches(answers_kept=3)
    _, link = delta_round(graph, INBOX_DELTA)
    mailbox.change_message_fields(numbers[0], subject="changed")
    for path in (LIST, f"/me/messages/{ids[0]}", link):
        before = graph.get(path).json()
        mailbox.change_message_fields(numbers[0], subject="changed again")
        mailbox.delete_message_from_database(mailbox.deliver_message(a_mail()))
        forge(simulators, "/messages", "old")

        assert graph.get(path).json() == before
        assert graph.get(path).json() != before


def test_a_rule_may_concern_items_of_batches_alone(
    simulators: Simulators, graph: httpx.Client
) -> None:
    match = {"in_batch": True, "path": "/drafts"}
    script(simulators, {"match": match, "fault": {"status": 403}})
    batch = batch_of("/me/mailFolders/inbox", "/me/mailFolders/drafts")

    alone = graph.get("/me/mailFolders/drafts")
    answers = graph.post("/$batch", json=batch).json()["responses"]

    assert alone.status_code == 200
    assert {each["id"]: each["status"] for each in answers} == {"0": 200, "1": 403}


def test_a_national_cloud_has_no_delta(simulators: Simulators, graph: httpx.Client) -> None:
    simulators.service.set_microsoft_behaviour_switches(has_delta=False)

    for path in (INBOX_DELTA, "/me/mailFolders/delta"):
        assert error_of(graph.get(path)) == (400, "BadRequest")
    assert graph.get(FOLDERS).status_code == 200
