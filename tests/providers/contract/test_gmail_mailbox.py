"""A client of the simulated Gmail knows the mailbox after each round, whatever its owner does."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from random import Random

import pytest

from localdev.mail.generate import generate_mail_items
from localdev.simulators import Simulators
from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.owner import GmailMailboxEditor
from localdev.simulators.mailbox import Mailbox
from mailsync.errors import CursorExpired
from mailsync.model import FolderTreeReadingMode, RemoteId
from tests.support.gmail_replica import GmailReplica, open_gmail, states_of
from tests.support.mail import a_mail

ACTIONS: Mapping[str, Callable[[GmailMailboxEditor, str, str], object]] = {
    "deliver": lambda owner, _, label: owner.deliver_message(a_mail("new"), ["INBOX", label]),
    "sent to oneself": lambda owner, *_: owner.deliver_message(a_mail("to me"), ["INBOX", "SENT"]),
    "archive": lambda owner, mail, _: owner.archive_message(mail),
    "label": lambda owner, mail, label: owner.change_labels(mail, add=[label]),
    "unlabel": lambda owner, mail, label: owner.change_labels(mail, remove=[label]),
    "categorize": lambda owner, mail, _: owner.change_labels(mail, add=["CATEGORY_SOCIAL"]),
    "trash": lambda owner, mail, _: owner.trash_message(mail),
    "untrash": lambda owner, mail, _: owner.untrash_message(mail),
    "spam": lambda owner, mail, _: owner.mark_message_as_spam(mail),
    "no spam": lambda owner, mail, _: owner.unmark_message_as_spam(mail),
    "star": lambda owner, mail, _: owner.set_message_starred(mail),
    "unstar": lambda owner, mail, _: owner.set_message_starred(mail, is_starred=False),
    "read": lambda owner, mail, _: owner.set_message_read(mail),
    "unread": lambda owner, mail, _: owner.set_message_read(mail, is_read=False),
    "important": lambda owner, mail, _: owner.set_message_important(mail),
    "delete": lambda owner, mail, _: owner.erase_message(mail),
    "chat": lambda owner, *_: owner.store_chat_message("Hi there."),
}


@pytest.fixture
def owner(simulators: Simulators, mailbox: Mailbox) -> Iterator[GmailMailboxEditor]:
    """Of a mailbox with forty messages and two labels."""
    mailbox.import_mail_items(generate_mail_items(40, owner=mailbox.address))
    owner = GmailMailboxEditor(mailbox)
    owner.create_label("Work")
    owner.create_label("Work/Done")
    yield owner
    simulators.gmail.behaviour = GmailBehaviour()


@pytest.fixture
def replica(
    simulators: Simulators, mailbox: Mailbox, owner: GmailMailboxEditor
) -> Iterator[GmailReplica]:
    """Of the mailbox, read once."""
    with closing(open_gmail(simulators, mailbox)) as provider:
        replica = GmailReplica(provider)
        replica.read_on()
        yield replica


def act(owner: GmailMailboxEditor, chance: Random) -> None:
    """Do something with a message that exists."""
    labels = [each for each in owner.gmail.labels.label_by_id if each.startswith("Label_")]
    messages = sorted(states_of(owner.gmail))
    action = ACTIONS[chance.choice(sorted(ACTIONS))]
    action(owner, chance.choice(messages), chance.choice(sorted(labels)))


def test_a_full_sync_lists_and_fetches_every_message(
    replica: GmailReplica, owner: GmailMailboxEditor
) -> None:
    assert len(replica.states) > 30
    assert replica.states == states_of(owner.gmail)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"has_label_ids_in_history": False},
        {"is_inbox_removal_reported": False},
        {"has_label_ids_in_history": False, "is_inbox_removal_reported": False},
        {"largest_page": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_owner_does_is_known_after_a_round_and_seen_by_a_comparison(
    simulators: Simulators,
    replica: GmailReplica,
    owner: GmailMailboxEditor,
    seed: int,
    switches: Mapping[str, bool | int],
) -> None:
    simulators.gmail.set_behaviour_switches(**switches)
    chance = Random(seed)
    for number in range(40):
        act(owner, chance)
        if number % 8 == 7:
            replica.read_on(limit=chance.choice((2, 100)))
            assert replica.states == states_of(owner.gmail)

    assert replica.compared_states() == states_of(owner.gmail)


def test_what_no_history_reports_is_seen_by_a_comparison(
    replica: GmailReplica, owner: GmailMailboxEditor
) -> None:
    chance = Random(7)
    with owner.omit_changes_from_history():
        for _ in range(20):
            act(owner, chance)

    assert replica.compared_states() == states_of(owner.gmail)


def test_an_expired_history_means_a_listing_that_costs_no_message(
    replica: GmailReplica, owner: GmailMailboxEditor, mailbox: Mailbox
) -> None:
    chance = Random(3)
    for _ in range(10):
        act(owner, chance)
    mailbox.expire_cursors()
    with pytest.raises(CursorExpired):
        replica.read_on()

    before, replica.cursor = replica.provider.used_quota_units, None
    unknown = states_of(owner.gmail).keys() - replica.states.keys()
    replica.read_on()

    assert states_of(owner.gmail).keys() <= replica.states.keys()
    assert replica.provider.used_quota_units - before <= 1 + 5 + 5 + 3 + 20 * len(unknown)


def test_a_label_is_renamed_nested_and_deleted_without_a_request_for_a_message(
    replica: GmailReplica, owner: GmailMailboxEditor
) -> None:
    def names() -> dict[RemoteId, tuple[str, str | None]]:
        folders = replica.provider.list_folders(
            (), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS
        ).folders
        shown = (each for each in folders if each.remote_id.startswith("Label_"))
        return {each.remote_id: (each.display_name, each.parent_remote_id) for each in shown}

    [done] = [each for each, (name, _) in names().items() if name == "Done"]
    work = names()[done][1]
    assert work
    owner.rename_label(done, "Later/Äpfel")
    assert names()[done] == ("Later/Äpfel", None)

    owner.delete_label(work)
    assert work not in names()
