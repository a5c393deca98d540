"""The history leads from any earlier state of the mailbox to the present one."""

import random
from typing import Any

import pytest

from tests.providers.simulators.gmail.client import WITH_TRASH, GmailClient, replay
from tests.support.mail import a_mail

SEEDS = range(6)


def act_at_random(gmail: GmailClient, choice: random.Random, number: int) -> None:
    """Change one message or label as an owner may."""
    owner = gmail.owner
    ids = [each.id for each in owner.gmail.list_every_message_newest_first()]
    labels = [each for each in owner.gmail.labels.label_by_id if each.startswith("Label_")]
    if not ids or choice.random() < 0.2:
        label = choice.choice([["INBOX"], ["SENT", "INBOX"], ["DRAFT"], [], labels[:1]])
        owner.deliver_message(a_mail(f"new {number}"), label)
        return
    chosen = choice.choice(ids)
    actions: list[Any] = [
        lambda: owner.archive_message(chosen),
        lambda: owner.trash_message(chosen),
        lambda: owner.untrash_message(chosen),
        lambda: owner.mark_message_as_spam(chosen),
        lambda: owner.unmark_message_as_spam(chosen),
        lambda: owner.set_message_starred(chosen, is_starred=choice.random() < 0.5),
        lambda: owner.set_message_read(chosen, is_read=choice.random() < 0.5),
        lambda: owner.set_message_important(chosen, is_important=choice.random() < 0.5),
        lambda: owner.change_labels(
            chosen, add=["CATEGORY_SOCIAL", *labels[-1:]], remove=["INBOX"]
        ),
        lambda: owner.edit_draft(chosen, subject=f"edited {number}"),
        lambda: owner.send_draft(chosen),
        lambda: owner.erase_message(chosen),
        lambda: owner.create_label(f"label {number}"),
        lambda: (
            gmail.mailbox.move_message_to_purged_folder(owner.gmail.find_message_number(chosen))
            if len(gmail.mailbox.find_message(owner.gmail.find_message_number(chosen)).placements)
            == 1
            else None
        ),
    ]
    choice.choice(actions)()


@pytest.mark.parametrize("seed", SEEDS)
def test_records_applied_to_any_earlier_state_give_the_present_one(
    seed: int, gmail: GmailClient
) -> None:
    choice = random.Random(seed)
    earlier = []
    for number in range(60):
        if number % 20 == 0:
            earlier.append((gmail.history_id(), gmail.labels_by_id()))
        act_at_random(gmail, choice, number)

    for start, state in earlier:
        records = gmail.records(start, maxResults=7)
        assert [int(each["id"]) for each in records] == sorted(
            {int(each["id"]) for each in records}
        )
        replay(state, records)
        assert state == gmail.labels_by_id()
    assert len(earlier) == 3
    assert records


def test_each_record_carries_the_labels_that_the_message_had_then(gmail: GmailClient) -> None:
    start = gmail.history_id()
    message = gmail.owner.deliver_message(a_mail("one"))
    gmail.owner.set_message_starred(message)
    gmail.owner.trash_message(message)
    gmail.owner.erase_message(message)

    states = [
        (name, entries[0]["message"].get("labelIds", []))
        for each in gmail.records(start)
        for name, entries in each.items()
        if name not in ("id", "messages")
    ]

    assert states == [
        ("messagesAdded", ["INBOX", "UNREAD"]),
        ("labelsAdded", ["INBOX", "STARRED", "UNREAD"]),
        ("labelsAdded", ["INBOX", "STARRED", "TRASH", "UNREAD"]),
        ("labelsRemoved", ["STARRED", "TRASH", "UNREAD"]),
        ("messagesDeleted", ["STARRED", "TRASH", "UNREAD"]),
    ]
    gmail.server.set_behaviour_switches(
        has_label_ids_in_history=False, is_inbox_removal_reported=False
    )
    silent = gmail.records(start)
    assert len(silent) == 4
    assert not any("labelIds" in each["messagesAdded"][0]["message"] for each in silent[:1])


def test_a_filter_leaves_pages_without_records_and_with_a_next_page(gmail: GmailClient) -> None:
    start = gmail.history_id()
    message = gmail.owner.deliver_message(a_mail("one"))
    for is_read in (True, False, True):
        gmail.owner.set_message_read(message, is_read=is_read)
    gmail.owner.erase_message(message)

    pages = list(
        gmail.pages("history", startHistoryId=start, maxResults=2, historyTypes=["messageDeleted"])
    )

    assert [len(each.get("history", ())) for each in pages] == [0, 0, 1]
    assert ["history" in each for each in pages] == [False, False, True]
    assert {each["historyId"] for each in pages} == {gmail.history_id()}


def test_an_expired_or_unknown_start_is_not_found_and_a_malformed_one_is_invalid(
    gmail: GmailClient,
) -> None:
    start = gmail.history_id()
    gmail.owner.deliver_message(a_mail("one"))
    assert gmail.records(start)

    gmail.mailbox.expire_cursors()

    for gone in (start, "0", str(int(gmail.history_id()) + 1_000)):
        assert gmail.error("history", startHistoryId=gone)[:2] == (404, "notFound")
    assert gmail.get("history", startHistoryId=gmail.history_id()) == {
        "historyId": gmail.history_id()
    }
    for malformed in ({}, {"startHistoryId": "abc"}, {"startHistoryId": ""}):
        assert gmail.error("history", **malformed)[:2] == (400, "invalidArgument")
    newest = gmail.history_id()
    assert gmail.error("history", startHistoryId=newest, pageToken="7")[2] == "Invalid pageToken"


def test_an_edited_draft_is_deleted_and_added_under_another_id(gmail: GmailClient) -> None:
    draft = gmail.owner.deliver_message(a_mail("draft", is_draft=True), ["DRAFT"])
    before, start = gmail.get(f"messages/{draft}"), gmail.history_id()

    edited = gmail.owner.edit_draft(draft, subject="another subject")
    sent = gmail.owner.send_draft(edited)

    state = {draft: frozenset(before["labelIds"])}
    replay(state, gmail.records(start))
    assert state.keys() == {sent}
    assert "SENT" in state[sent]
    assert "DRAFT" not in state[sent]
    assert len({draft, edited, sent}) == 3
    assert gmail.error(f"messages/{draft}")[0] == gmail.error(f"messages/{edited}")[0] == 404
    assert gmail.get(f"messages/{sent}")["threadId"] != before["threadId"]


def test_a_history_that_lags_names_an_older_id_than_the_profile(gmail: GmailClient) -> None:
    start = gmail.history_id()
    gmail.server.withhold_new_history_records(gmail.mailbox, seconds=60)
    gmail.owner.deliver_message(a_mail("one"))

    lagging = gmail.get("history", startHistoryId=start)
    gmail.server.withhold_new_history_records(gmail.mailbox, seconds=0)

    assert lagging == {"historyId": start}
    assert int(gmail.history_id()) > int(start)
    assert len(gmail.records(start)) == 1


def test_a_deleted_label_is_taken_from_messages_without_a_record(gmail: GmailClient) -> None:
    label = gmail.owner.create_label("work")
    nested = gmail.owner.create_label("work/berlin")
    message = gmail.owner.deliver_message(a_mail("one"), [label])
    start = gmail.history_id()

    gmail.owner.delete_label(label)

    assert gmail.records(start) == []
    assert gmail.history_id() == start
    assert gmail.labels_by_id() == {message: frozenset({"UNREAD"})}
    names = {each["id"]: each["name"] for each in gmail.get("labels")["labels"]}
    assert label not in names
    assert names[nested] == "work/berlin"
    gmail.server.set_behaviour_switches(is_label_deletion_in_history=True)
    gmail.owner.change_labels(message, add=[nested])
    gmail.owner.delete_label(nested)
    assert gmail.records(start)[-1]["labelsRemoved"][0]["labelIds"] == [nested]
    assert gmail.listed(**WITH_TRASH) == [message]
