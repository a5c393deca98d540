"""Whatever happens to the labels of a Gmail mailbox, no message is fetched for it."""

from collections.abc import Callable

import pytest

from localdev.simulators.gmail.owner import GmailMailboxEditor
from mailsync.model import SyncType
from tests.workflow.failures.gmail_world import GmailWorld, sized

FETCHES = ("messages.get", "threads.get", "messages.attachments.get")
SEVEN = [f"Label {number}" for number in range(7)]


@pytest.fixture
def labelled(gmail: GmailWorld) -> GmailWorld:
    """Mirrored, with nested labels: `Work` and `Work/Deep` have messages, `Work/Deep/Er` none."""
    gmail.fill(12)
    owner = gmail.owner
    work, deep, _ = map(owner.create_label, ("Work", "Work/Deep", "Work/Deep/Er"))
    for number, each in enumerate(message_ids(gmail)):
        owner.change_labels(each, add=[work] if number % 2 else [work, deep])
    assert gmail.sync() == "completed"
    assert gmail.is_exact()
    return gmail


def message_ids(gmail: GmailWorld) -> list[str]:
    return [each.id for each in gmail.owner.gmail.list_every_message_newest_first()]


def label_of(owner: GmailMailboxEditor, name: str) -> str:
    return next(each.id for each in owner.gmail.labels.label_by_id.values() if each.name == name)


def settle(gmail: GmailWorld) -> bool:
    """Checks, and the executions that they ask for, fetch no message; then the rows are exact."""
    with gmail.counted() as used:
        gmail.check_to_the_end()
        gmail.check_to_the_end()
    assert {each: used.requests[each] for each in FETCHES} == dict.fromkeys(FETCHES, 0)
    return gmail.is_exact()


OF_LABELS: dict[str, Callable[[GmailMailboxEditor], object]] = {
    "renamed": lambda it: it.rename_label(label_of(it, "Work"), "Office"),
    "renamed below another": lambda it: it.rename_label(label_of(it, "Work/Deep"), "Work/Shallow"),
    "nested elsewhere": lambda it: it.set_parent_of_label(
        label_of(it, "Work/Deep"), it.create_label("Top")
    ),
    "nested nowhere": lambda it: it.set_parent_of_label(label_of(it, "Work/Deep"), None),
    "deleted": lambda it: it.delete_label(label_of(it, "Work/Deep")),
    "deleted above another": lambda it: it.delete_label(label_of(it, "Work")),
    "created": lambda it: it.create_label("Work/New/Below"),
}


@pytest.mark.parametrize("is_reported", [False, True], ids=["not in history", "in history"])
@pytest.mark.parametrize("change", OF_LABELS)
def test_a_label_changes(labelled: GmailWorld, change: str, is_reported: bool) -> None:
    labelled.simulators.gmail.set_behaviour_switches(is_label_deletion_in_history=is_reported)

    OF_LABELS[change](labelled.owner)

    assert settle(labelled)


def test_a_message_moves_through_all_its_labels(labelled: GmailWorld) -> None:
    owner, (message, other, *_) = labelled.owner, message_ids(labelled)
    seven = [owner.create_label(each) for each in SEVEN]
    steps: list[Callable[[], object]] = [
        lambda: owner.change_labels(message, add=seven),
        lambda: owner.archive_message(message),
        lambda: owner.change_labels(message, remove=[*seven, "UNREAD", *labels_of(owner, message)]),
        lambda: owner.change_labels(
            other, add=["INBOX", "STARRED", "IMPORTANT"], remove=["UNREAD"]
        ),
        lambda: owner.trash_message(other),
        lambda: owner.untrash_message(other),
        lambda: owner.mark_message_as_spam(message),
        lambda: owner.unmark_message_as_spam(message),
    ]
    for step in steps:
        step()
        assert settle(labelled)


def labels_of(owner: GmailMailboxEditor, message: str) -> list[str]:
    """The labels that place a message."""
    return [
        label
        for each in owner.gmail.list_every_message_newest_first()
        if each.id == message
        for label in each.label_ids
        if label.startswith("Label_")
    ]


@pytest.mark.long
def test_a_filter_labels_very_many_messages_at_once(gmail: GmailWorld) -> None:
    messages = sized(1200)
    gmail.fill(messages)
    label = gmail.owner.create_label("Filtered")
    assert gmail.sync() == "completed"

    assert (
        gmail.owner.change_labels_of_newest_messages(
            ["INBOX"], add=[label], remove=["UNREAD", "INBOX"]
        )
        == messages
    )

    assert settle(gmail)


def test_labels_come_back_by_their_lists_after_a_full_sync(labelled: GmailWorld) -> None:
    owner = labelled.owner
    new = owner.create_label("New")
    with owner.omit_changes_from_history():
        for each in message_ids(labelled)[:5]:
            owner.change_labels(
                each, add=[new, "STARRED"], remove=[label_of(owner, "Work"), "INBOX"]
            )
    labelled.remote.expire_cursors()

    with labelled.counted() as used:
        assert labelled.sync(SyncType.FULL) == "completed"

    assert {each: used.requests[each] for each in FETCHES} == dict.fromkeys(FETCHES, 0)
    assert labelled.is_exact()


IN_AND_OUT: dict[str, Callable[[GmailMailboxEditor, str], object]] = {
    "to spam": lambda it, message: it.mark_message_as_spam(message),
    "to the trash": lambda it, message: it.trash_message(message),
    "out of the trash, with a label": lambda it, message: it.untrash_message(message),
}


@pytest.mark.parametrize("change", IN_AND_OUT)
def test_what_only_counts_show_is_right_in_all_mail_as_well(
    labelled: GmailWorld, change: str
) -> None:
    owner, (message, *_) = labelled.owner, message_ids(labelled)
    if change.startswith("out"):
        owner.trash_message(message)
        labelled.check_to_the_end()
    with owner.omit_changes_from_history():
        IN_AND_OUT[change](owner, message)

    labelled.let_time_pass(hours=1.1)
    labelled.check_to_the_end()

    assert labelled.is_exact()
