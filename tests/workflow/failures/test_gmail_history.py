"""Gmail forgets its history: afterwards all is exact, and only what is not stored is fetched."""

from itertools import count
from math import ceil

import pytest

from mailsync.decisions.verify import MAX_FOLDERS_PER_REPAIR_ROUND
from mailsync.model import RemoteId
from mailsync.sync.repair import MAX_MESSAGES_REQUESTED_TO_CHECK_LISTING
from tests.support.mail import a_mail
from tests.workflow.failures.gmail_world import NEW_PROJECT, GmailWorld, Used, sized

MESSAGES = 700
LIST_UNITS, MESSAGE_UNITS = 5, 20
FIXED_UNITS = 100
"""Of each sync: the labels, the history, and lists of chats."""
UNITS_PER_LABEL = 4
"""The counts of a label twice before the repairs and with its list, and whether there are chats."""


def labelled(gmail: GmailWorld) -> GmailWorld:
    """With messages under two labels, unread, starred, in the trash and in spam."""
    gmail.fill(MESSAGES)
    owner = gmail.owner
    first, second = map(owner.create_label, ("First", "Second"))
    ids = [each.id for each in owner.gmail.list_every_message_newest_first()]
    for number, each in enumerate(ids[:120]):
        owner.change_labels(
            each, add=[(first, second, "TRASH", "SPAM", "STARRED", "IMPORTANT")[number % 6]]
        )
    return gmail


def change_unseen(gmail: GmailWorld, numbers: "count[int]") -> None:
    """All kinds of changes, of which the history will know nothing."""
    owner, at = gmail.owner, next(numbers) * 20
    labels = {each.name: each.id for each in owner.gmail.labels.label_by_id.values()}
    ids = [each.id for each in owner.gmail.list_every_message_newest_first()][at : at + 20]
    owner.change_labels(ids[0], add=[labels["First"], labels["Second"]], remove=["UNREAD"])
    owner.change_labels(ids[1], remove=["INBOX", labels["First"]])
    owner.change_labels(ids[2], add=["STARRED", "IMPORTANT"])
    owner.trash_message(ids[3])
    owner.mark_message_as_spam(ids[4])
    owner.erase_message(ids[5])
    owner.deliver_message(a_mail(f"unseen {at}", minutes=at), ["INBOX", "UNREAD", labels["Second"]])
    gmail.remote.expire_cursors()


def max_list_units(gmail: GmailWorld) -> int:
    """5 per 500 ids of each list: all messages; each label; and what is unread, starred and
    important in the folders that together contain every message."""
    owner, lists = gmail.owner, [len(gmail.owner.gmail.list_every_message_newest_first()) + 10]
    flags: list[list[str]] = [[], ["UNREAD"], ["STARRED"], ["IMPORTANT"]]
    for label in owner.gmail.labels.label_by_id.values():
        for names in flags if label.id in ("TRASH", "SPAM") else [[]]:
            count = owner.gmail.count_messages_and_threads(
                [label.id, *names], includes_spam_trash=True
            )
            lists.append(count["messagesTotal"])
    for names in flags:
        lists.append(
            owner.gmail.count_messages_and_threads(names, includes_spam_trash=False)[
                "messagesTotal"
            ]
        )
    lists_units = sum(LIST_UNITS * max(1, ceil(each / 500)) for each in lists)
    labels = len(owner.gmail.labels.label_by_id)
    rounds = ceil(labels / MAX_FOLDERS_PER_REPAIR_ROUND)  # each reads all counts
    return lists_units + (UNITS_PER_LABEL + rounds) * labels


def fetched(used: Used) -> int:
    return used.requests["messages.get"] + 2 * used.requests["threads.get"]


@pytest.mark.long
def test_between_runs_twice_in_a_row(gmail: GmailWorld) -> None:
    assert labelled(gmail).sync() == "completed"
    assert gmail.is_exact()
    numbers = count()

    for _ in range(2):
        change_unseen(gmail, numbers)
        with gmail.counted() as used:
            assert gmail.sync() == "completed"
        new_and_gone = 2
        assert fetched(used) == new_and_gone
        assert used.units - MESSAGE_UNITS * fetched(used) <= max_list_units(gmail) + FIXED_UNITS
        assert gmail.is_exact()


def test_in_a_mailbox_of_many_labels(gmail: GmailWorld) -> None:
    """Read states are listed once, not for each label."""
    gmail.fill(60)
    owner = gmail.owner
    labels = [owner.create_label(f"Label {number}") for number in range(sized(40))]
    ids = [each.id for each in owner.gmail.list_every_message_newest_first()]
    for number, label in enumerate(labels):
        for each in {ids[number % 60], ids[number * 7 % 60]}:
            owner.change_labels(each, add=[label])
    assert gmail.sync() == "completed"
    with owner.omit_changes_from_history():
        for number, each in enumerate(ids[:20]):
            owner.change_labels(each, add=[labels[number * 2]], remove=["UNREAD", labels[number]])
    gmail.remote.expire_cursors()

    with gmail.counted() as used:
        assert gmail.sync() == "completed"

    assert fetched(used) == 0
    assert used.units <= max_list_units(gmail) + FIXED_UNITS
    assert gmail.is_exact()


@pytest.mark.long
def test_during_the_sync_that_follows(gmail: GmailWorld) -> None:
    assert labelled(gmail).sync() == "completed"
    numbers = count()
    change_unseen(gmail, numbers)
    gmail.before["recalculate_counts"] = lambda: (
        change_unseen(gmail, numbers) if next(again, None) else None
    )
    again = iter([True])

    with gmail.counted() as used:
        for _ in range(2):
            gmail.sync()

    assert fetched(used) <= 6
    assert gmail.is_exact()


@pytest.mark.long
@pytest.mark.parametrize("times", [1, 2])
def test_in_mid_backfill(gmail: GmailWorld, times: int) -> None:
    labelled(gmail).limits = NEW_PROJECT
    numbers, stored = count(), list[set[RemoteId]]()

    def expire() -> None:
        if len(stored) < times and len(gmail.stored()) > 150 * (len(stored) + 1):
            stored.append({RemoteId(each) for each in gmail.stored()})
            change_unseen(gmail, numbers)

    gmail.on_wait = expire
    with gmail.counted() as used:
        assert gmail.sync() == "completed"
        gmail.on_wait = lambda: None
        assert gmail.sync() == "completed"

    assert len(stored) == times
    new_and_gone = 2 * times
    assert fetched(used) <= MESSAGES + new_and_gone
    lists = (times + 1) * (max_list_units(gmail) + FIXED_UNITS)
    assert used.units - MESSAGE_UNITS * fetched(used) <= lists
    assert gmail.is_exact()


@pytest.mark.parametrize("is_trash_counted", [True, False])
def test_with_most_of_a_label_and_the_trash_gone_elsewhere(
    gmail: GmailWorld, is_trash_counted: bool
) -> None:
    """Whether or not the count of a label includes what is in the trash."""
    gmail.simulators.gmail.set_behaviour_switches(is_trash_counted=is_trash_counted)
    gmail.fill(200)
    owner = gmail.owner
    label = owner.create_label("Filtered")
    ids = [each.id for each in owner.gmail.list_every_message_newest_first()]
    for each in ids[:60]:
        owner.change_labels(each, add=[label])
    for each in ids[55:120]:
        owner.trash_message(each)
    assert gmail.sync() == "completed"
    for each in ids[:55]:
        owner.change_labels(each, remove=[label])
    for each in ids[60:115]:
        owner.untrash_message(each)
    for each in ids[120:180]:
        owner.trash_message(each)
    gmail.remote.expire_cursors()

    with gmail.counted() as used:
        assert gmail.sync() == "completed"

    assert fetched(used) <= MAX_MESSAGES_REQUESTED_TO_CHECK_LISTING, (
        "of the list that lacks most of its messages"
    )
    assert gmail.is_exact()
