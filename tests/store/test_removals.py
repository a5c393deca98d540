"""A message is hidden first, and deleted when the provider has said twice that it is gone."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager

import pytest

from mailsync.decisions.safety import (
    MIN_SUSPICIOUS_REMOVAL_MESSAGES,
    MIN_TIME_FROM_MASS_REMOVAL_TO_DELETION,
)
from mailsync.model import MessageRemovedFromFolder, RemoteId, Upsert
from mailsync.settings import Settings
from mailsync.store import rows as encoded
from mailsync.store.connection import Transaction
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from tests.deploy.previous.database import PreviousDatabase
from tests.store.conftest import Mirror
from tests.store.rows import emails
from tests.support.builders import a_message


def hide(mirror: Mirror, names: Collection[str]) -> None:
    mirror.apply(mirror.first, *(MessageRemovedFromFolder(RemoteId(each)) for each in names))


def due(mirror: Mirror) -> tuple[RemoteId, ...]:
    mirror.removal_store.read_hidden_mail_and_schedule_rechecks(mirror.run)
    return mirror.removal_store.hidden_message_ids_due_for_recheck(mirror.run, "", 1_000)


def say_gone(mirror: Mirror, names: Collection[str]) -> int:
    """The provider says that they are gone, as a sync asks it; return how many are deleted."""
    wait_s = mirror.removal_store.read_hidden_mail_and_schedule_rechecks(
        mirror.run
    ).min_time_between_gone_reports_s
    return mirror.removal_store.mark_gone_or_delete_if_marked(
        mirror.run, [RemoteId(each) for each in names], wait_s
    )


def confirm(mirror: Mirror) -> None:
    own = AccountOfRequestingUser(mirror.run.account_id, "ann")
    assert AccountControlStore(mirror.database).confirm_hidden_mail_removal(own) is not None


def test_a_message_is_deleted_by_the_second_answer_two_hours_after_the_first(
    mirror: Mirror,
) -> None:
    gone, kept = mirror.fill(mirror.first, 2)
    hide(mirror, [gone])
    assert due(mirror) == (gone,)
    assert say_gone(mirror, [gone]) == 0

    mirror.let_time_pass(1.9)
    assert due(mirror) == ()
    assert say_gone(mirror, [gone]) == 0

    mirror.let_time_pass(0.2)
    assert due(mirror) == (gone,)
    assert say_gone(mirror, [gone]) == 1
    assert emails(mirror.database) == {kept: ("F1", False)}


def test_a_message_that_is_shown_is_never_deleted(mirror: Mirror) -> None:
    shown = mirror.fill(mirror.first, 2)
    for _ in range(3):
        assert due(mirror) == ()
        assert say_gone(mirror, shown) == 0
        mirror.let_time_pass(25)

    assert len(emails(mirror.database)) == 2


def test_messages_are_asked_about_in_pieces_in_the_order_of_their_ids(mirror: Mirror) -> None:
    names = mirror.fill(mirror.first, 5)
    hide(mirror, names)
    found = [
        mirror.removal_store.hidden_message_ids_due_for_recheck(mirror.run, after, 2)
        for after in ("", names[1], names[3])
    ]

    assert found == [tuple(names[:2]), tuple(names[2:4]), tuple(names[4:])]


def is_reported_again(mirror: Mirror, name: str) -> None:
    mirror.apply(mirror.first, Upsert(a_message(name)))


def is_fetched(mirror: Mirror, name: str) -> None:
    mirror.mail_store.write_fetched_messages(mirror.run, None, [a_message(name)])


def is_listed(mirror: Mirror, name: str) -> None:
    mirror.removal_store.show_messages_again(
        mirror.run, mirror.first, [RemoteId(name)], is_only_folder=True
    )


def is_removed(mirror: Mirror, name: str) -> None:
    hide(mirror, [name])


def is_listed_no_more(mirror: Mirror, name: str) -> None:
    mirror.removal_store.hide_messages_removed_from_folder(
        mirror.run, mirror.first, [RemoteId(name)]
    )


def is_not_walked(mirror: Mirror, name: str) -> None:
    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(mirror.first))
    mirror.apply(mirror.first)


def loses_its_folder(mirror: Mirror, name: str) -> None:
    mirror.folder_store.save_tree_changes(mirror.run, [], [mirror.first])
    mirror.mail_store.remove_batch_of_stored_unmirrored_mail(mirror.run)


def is_moved_out_of_the_mirror(mirror: Mirror, name: str) -> None:
    mirror.rows("UPDATE mailsync.email_folders SET selected = remote_id <> 'F2' RETURNING 1")
    mirror.apply(mirror.first, Upsert(a_message(name, "F2")))


Happens = Callable[[Mirror, str], None]
WAYS_BACK = (is_reported_again, is_fetched, is_listed)
WAYS_AWAY = (
    is_removed,
    is_listed_no_more,
    is_not_walked,
    loses_its_folder,
    is_moved_out_of_the_mirror,
)


@contextmanager
def the_version_before(settings: Settings) -> Iterator[Transaction]:
    with closing(PreviousDatabase(settings)) as before, before.transaction() as tx:
        yield tx


@pytest.mark.parametrize("comes_back", WAYS_BACK)
def test_what_came_back_keeps_its_number_and_needs_two_answers_again(
    comes_back: Happens, mirror: Mirror
) -> None:
    [name] = mirror.fill(mirror.first, 1)
    number = mirror.one("SELECT id FROM mailsync.emails")
    hide(mirror, [name])
    say_gone(mirror, [name])
    mirror.let_time_pass(3)

    comes_back(mirror, name)
    assert emails(mirror.database) == {name: ("F1", False)}
    assert say_gone(mirror, [name]) == 0
    hide(mirror, [name])

    assert due(mirror) == (name,)
    assert say_gone(mirror, [name]) == 0
    assert mirror.one("SELECT id FROM mailsync.emails") == number


@pytest.mark.parametrize("goes_away", WAYS_AWAY)
def test_whichever_way_a_message_leaves_it_is_hidden_due_and_not_yet_known_to_be_gone(
    goes_away: Happens, mirror: Mirror, settings: Settings
) -> None:
    """Also one that the version before has shown again, which knows nothing of first answers."""
    [name] = mirror.fill(mirror.first, 1)
    hide(mirror, [name])
    say_gone(mirror, [name])
    row = {**encoded.message_to_row(a_message(name)), "folder_remote_id": "F1"}
    page = next(encoded.chunk_rows_by_size([row]))
    with the_version_before(settings) as tx:
        tx.run("upsert_emails", account_id=mirror.run.account_id, folder_id=None, page=page)
    mirror.let_time_pass(3)

    goes_away(mirror, name)

    assert emails(mirror.database) == {name: ("F1", True)}
    assert due(mirror) == (name,)
    assert say_gone(mirror, [name]) == 0


def test_what_the_version_before_has_hidden_needs_two_answers(
    mirror: Mirror, settings: Settings
) -> None:
    [name] = mirror.fill(mirror.first, 1)
    left = {"folder_id": mirror.first, "ids": encoded.to_jsonb([name])}
    with the_version_before(settings) as tx:
        tx.run("mark_removed", account_id=mirror.run.account_id, **left)

    assert due(mirror) == (name,)
    assert say_gone(mirror, [name]) == 0
    mirror.let_time_pass(2.1)
    assert due(mirror) == (name,)
    assert say_gone(mirror, [name]) == 1


def test_most_of_a_mailbox_is_deleted_by_a_second_answer_a_day_after_the_first(
    mirror: Mirror,
) -> None:
    gone = mirror.fill(mirror.first, MIN_SUSPICIOUS_REMOVAL_MESSAGES)
    hide(mirror, gone)
    assert not mirror.removal_store.read_hidden_mail_and_schedule_rechecks(
        mirror.run
    ).is_unconfirmed_mass_removal, "no message is reported gone yet"
    assert say_gone(mirror, gone) == 0

    for hours in (2.1, 21.8):
        mirror.let_time_pass(hours)
        removal = mirror.removal_store.read_hidden_mail_and_schedule_rechecks(mirror.run)
        assert removal.is_unconfirmed_mass_removal
        assert (
            removal.min_time_between_gone_reports_s
            == MIN_TIME_FROM_MASS_REMOVAL_TO_DELETION.total_seconds()
        )
        assert f"{len(gone)} of {len(gone)} messages" in removal.explanation_for_user
        assert due(mirror) == ()
        assert say_gone(mirror, gone) == 0
    mirror.let_time_pass(0.2)

    assert due(mirror) == tuple(gone)
    assert say_gone(mirror, gone) == len(gone)


@pytest.mark.parametrize(
    ("first", "second", "is_suspicious"), [(20, 19, True), (20, 20, False), (19, 0, False)]
)
def test_most_is_more_than_half_of_the_mailbox_and_not_of_a_folder(
    first: int, second: int, is_suspicious: bool, mirror: Mirror
) -> None:
    """Also where a sync dies before it counts again: a hidden folder is not counted twice."""
    gone = mirror.fill(mirror.first, first)
    mirror.fill(mirror.second, second)
    mirror.folder_store.recount_stored_messages(mirror.run)
    mirror.folder_store.save_tree_changes(mirror.run, [], [mirror.first])
    mirror.mail_store.remove_batch_of_stored_unmirrored_mail(mirror.run)
    say_gone(mirror, gone)
    mirror.let_time_pass(2.1)

    removal = mirror.removal_store.read_hidden_mail_and_schedule_rechecks(mirror.run)
    assert removal.is_unconfirmed_mass_removal == is_suspicious
    assert (
        removal.hidden_message_count,
        removal.reported_gone_message_count,
        removal.gone_mirrored_folder_count,
    ) == (first, first, 1)
    assert (due(mirror) == ()) == is_suspicious
    assert say_gone(mirror, gone) == (0 if is_suspicious else first)


def test_a_confirmation_is_of_what_was_gone_by_then(mirror: Mirror) -> None:
    """A message about which the provider says nothing any more stays hidden for long."""
    names = mirror.fill(mirror.first, 2 * MIN_SUSPICIOUS_REMOVAL_MESSAGES + 1)
    stays, *early = names[: MIN_SUSPICIOUS_REMOVAL_MESSAGES + 1]
    late = names[MIN_SUSPICIOUS_REMOVAL_MESSAGES + 1 :]
    hide(mirror, [stays, *early])
    say_gone(mirror, [stays, *early])
    confirm(mirror)
    mirror.let_time_pass(2.1)
    assert say_gone(mirror, early) == len(early)

    hide(mirror, late)
    say_gone(mirror, late)
    mirror.let_time_pass(2.1)

    assert mirror.removal_store.read_hidden_mail_and_schedule_rechecks(
        mirror.run
    ).is_unconfirmed_mass_removal
    assert say_gone(mirror, late) == 0
