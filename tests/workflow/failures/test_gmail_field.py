"""What hurt other clients of Gmail, played by the simulated Gmail: the history, labels and threads.

Each test names the public reports that it repeats.
"""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest

from mailsync.model import SyncType
from mailsync.registry import GOOGLE
from mailsync.store.credential_store import CredentialStore
from tests.support.execution import StateFailed
from tests.support.mail import a_mail
from tests.workflow.failures.gmail_world import GmailWorld

OWED = """SELECT (SELECT count(*) FROM mailsync.pending_messages)
              + (SELECT count(*) FROM mailsync.email_quarantine)"""
ACCOUNT = "SELECT status, sync_status, last_error FROM mailsync.email_accounts"
CATEGORY, OTHER_CATEGORY = "CATEGORY_PROMOTIONS", "CATEGORY_UPDATES"
_numbers = count()


@pytest.fixture
def synced(gmail: GmailWorld) -> GmailWorld:
    gmail.fill(12)
    assert gmail.sync() == "completed"
    return gmail


def ids(gmail: GmailWorld) -> list[str]:
    return [each.id for each in gmail.owner.gmail.list_every_message_newest_first()]


def deliver(gmail: GmailWorld, number: int, *labels: str) -> list[str]:
    items = (a_mail(f"new {each}", minutes=each) for each in range(number))
    return [gmail.owner.deliver_message(each, labels or ("INBOX",)) for each in items]


def owed(gmail: GmailWorld) -> int:
    return int(gmail.one(OWED)[0])


def test_a_history_that_is_gone_at_every_check_heals_itself(synced: GmailWorld) -> None:
    """Rows 2, 3: LogicLabs-OU/OpenArchiver #443, elie222/inbox-zero PR 1174."""
    synced.inject_fault("/history", status=404, times=None)

    for _ in range(3):
        deliver(synced, 2)
        synced.check_to_the_end()
        assert synced.is_exact()

    assert synced.one(ACCOUNT) == ["active", "completed", None]


TRANSIENT: Mapping[str, Mapping[str, Any]] = {
    "outage": {"status": 503},
    "quota": {"status": 403, "code": "rateLimitExceeded"},
    "too many": {"status": 429, "retry_after": 5},
    "cut off": {"cut": "before answer"},
    "no JSON": {"html": True},
    "without contents": {"page": "partial"},
}


@pytest.mark.long
@pytest.mark.parametrize("fault", TRANSIENT)
def test_messages_that_fail_through_all_retries_are_owed_and_fetched_though_nothing_is_new(
    synced: GmailWorld, fault: str
) -> None:
    """Row 4: kenn-io/msgvault #260, PR 777. No count of Gmail shows that archived mail lacks."""
    new = [synced.owner.deliver_message(a_mail(f"new {each}"), []) for each in range(20)]
    failing = {*new[3:6]}
    synced.inject_fault(f"/messages/({'|'.join(failing)})", times=None, **TRANSIENT[fault])
    synced.sync()
    assert not synced.stored().keys() & failing

    synced.clear_faults()
    synced.let_time_pass(hours=0.5)
    synced.check_to_the_end()

    assert synced.is_exact()
    assert owed(synced) == 0


class Pauses(list[float]):
    """Something happens during each pause of a function."""

    happens: Callable[[], object]

    def append(self, seconds: float) -> None:
        super().append(seconds)
        self.happens()


def test_a_history_that_follows_seconds_after_the_push_is_read_in_the_same_check(
    synced: GmailWorld,
) -> None:
    """Row 6: corsairdev/corsair #445, openclaw/gogcli #115."""
    server, synced.pauses = synced.simulators.gmail, (pauses := Pauses())
    pauses.happens = lambda: server.withhold_new_history_records(synced.remote, 0)
    server.withhold_new_history_records(synced.remote, 600)
    deliver(synced, 1)

    checked = synced.check()

    assert checked.outcome == "synced"
    assert len(pauses) == 1
    assert synced.is_exact()


def test_a_history_that_stays_behind_moves_no_cursor(synced: GmailWorld) -> None:
    """Rows 6, 7: openclaw/gogcli PR 1140."""
    synced.simulators.gmail.withhold_new_history_records(synced.remote, 600)
    deliver(synced, 2)
    assert synced.check().outcome == "idle"

    synced.simulators.gmail.withhold_new_history_records(synced.remote, 0)
    synced.check_to_the_end()

    assert synced.is_exact()


def test_all_pages_of_many_records_are_read(synced: GmailWorld) -> None:
    """Row 9: elie222/inbox-zero PR 1212, twentyhq/twenty #3012."""
    synced.simulators.gmail.set_behaviour_switches(largest_page=7)
    deliver(synced, 20)
    for each in ids(synced):
        synced.owner.change_labels(each, add=["STARRED"], remove=["INBOX"])

    synced.check_to_the_end()

    assert synced.is_exact()


def test_a_backlog_in_short_runs_is_fetched_once(synced: GmailWorld) -> None:
    """Row 10: superset-sh/superset PR 7023."""
    new = {*deliver(synced, 324)}
    visits = count(1)

    def kill_every_other_function() -> None:
        if next(visits) % 2:
            raise StateFailed("Lambda.Unknown", "the function was killed")

    synced.before["sync_folder"] = kill_every_other_function
    with synced.counted() as used:
        synced.sync()
        synced.check_to_the_end()

    assert used.requests["messages.get"] == len(new)
    assert synced.is_exact()


@pytest.mark.parametrize("times", [1, 2])
def test_a_listing_whose_stored_page_token_is_refused_misses_nothing(
    gmail: GmailWorld, times: int
) -> None:
    """Row 11: n8n-io/n8n PR 34284."""
    gmail.fill(23)
    gmail.simulators.gmail.set_behaviour_switches(largest_page=5)
    refusal: dict[str, Any] = {
        "status": 400,
        "code": "invalidArgument",
        "message": "Invalid pageToken",
    }
    gmail.inject_fault("includeSpamTrash=true.*pageToken", times=times, **refusal)

    assert gmail.sync() == "completed"

    assert gmail.is_exact()


def of_strange_dates(gmail: GmailWorld) -> None:
    """Row 12: n8n-io/n8n #4272. Row 21: n8n-io/n8n #15090."""
    for days in (0, 0, 400, -1, -6_000, 0):
        gmail.owner.deliver_message(a_mail(f"{days} days", minutes=days * 1440), ["INBOX"])
    scheduled = gmail.owner.deliver_message(a_mail("scheduled", minutes=10**6), [])
    gmail.owner.change_labels(scheduled, add=["SENT"])


def archived_to_nothing(gmail: GmailWorld) -> None:
    """Row 13: elie222/inbox-zero PR 3695."""
    first, second, *_ = ids(gmail)
    gmail.owner.change_labels(first, add=[CATEGORY], remove=["INBOX"])
    gmail.owner.change_labels(second, remove=["INBOX"])


def sent_to_oneself(gmail: GmailWorld) -> None:
    """Row 14: maathimself/mailflow #418."""
    both = gmail.owner.deliver_message(a_mail("to me"), ["INBOX", "SENT", "UNREAD"])
    gmail.check_to_the_end()
    gmail.owner.change_labels(both, remove=["INBOX", "UNREAD"])


def one_of_a_thread_is_labelled(gmail: GmailWorld) -> None:
    """Row 16: nylas/sync-engine #180."""
    first, *_ = [
        gmail.owner.deliver_message(a_mail("thread", conversation="one", minutes=n), [label])
        for n, label in enumerate(("INBOX", "INBOX", "SENT"))
    ]
    gmail.check_to_the_end()
    gmail.owner.change_labels(first, add=[gmail.owner.create_label("Only the first")])


def category_beside_a_label(gmail: GmailWorld) -> None:
    """Row 17: twentyhq/twenty PR 17640."""
    label = gmail.owner.create_label("Mine")
    mail = gmail.owner.deliver_message(a_mail("offer"), [OTHER_CATEGORY, label])
    gmail.check_to_the_end()
    gmail.owner.change_labels(mail, add=[CATEGORY], remove=[OTHER_CATEGORY])


def purged_from_trash(gmail: GmailWorld) -> None:
    """Row 18: GAM-team/got-your-back #236, gauteh/lieer #125."""
    trashed, unseen, *_ = ids(gmail)
    gmail.owner.trash_message(trashed)
    gmail.owner.trash_message(unseen)
    assert gmail.sync(SyncType.FULL) == "completed"
    assert {trashed, unseen} <= gmail.stored().keys()
    gmail.owner.erase_message(trashed)
    gmail.check_to_the_end()
    gmail.owner.erase_message(unseen)
    gmail.remote.expire_cursors()


def sent_under_an_alias(gmail: GmailWorld) -> None:
    """Row 47: twentyhq/twenty #5748."""
    gmail.owner.deliver_message(a_mail("alias", sender=None), ["SENT"])
    gmail.owner.deliver_message(a_mail("to an alias", to=()), ["INBOX"])


def label_made_again_under_its_name(gmail: GmailWorld) -> None:
    """A sister of row 15: the name is the same, the id another."""
    first, second, *_ = ids(gmail)
    old = gmail.owner.create_label("Work")
    gmail.owner.change_labels(first, add=[old])
    gmail.check_to_the_end()
    gmail.owner.delete_label(old)
    gmail.owner.change_labels(second, add=[gmail.owner.create_label("Work")])


def trashed_with_a_label_that_is_deleted(gmail: GmailWorld) -> None:
    """A sister of rows 15, 18."""
    first, second, *_ = ids(gmail)
    label = gmail.owner.create_label("Short")
    for each in (first, second):
        gmail.owner.change_labels(each, add=[label])
    gmail.check_to_the_end()
    gmail.owner.trash_message(first)
    gmail.owner.delete_label(label)
    gmail.owner.untrash_message(first)


def draft_discarded_before_it_is_read(gmail: GmailWorld) -> None:
    """A sister of row 20."""
    draft = gmail.owner.deliver_message(a_mail("draft", is_draft=True), ["DRAFT"])
    gmail.owner.erase_message(gmail.owner.edit_draft(draft, body="other"))


def draft_sent_whose_mail_comes_late(gmail: GmailWorld) -> None:
    """A sister of rows 5, 20."""
    draft = gmail.owner.deliver_message(a_mail("draft", is_draft=True), ["DRAFT"])
    gmail.check_to_the_end()
    sent = gmail.owner.send_draft(draft)
    gmail.inject_fault(f"/messages/{sent}", status=404, times=2)


def history_expired_between_two_of_its_pages(gmail: GmailWorld) -> None:
    """A sister of rows 1, 9."""
    gmail.simulators.gmail.set_behaviour_switches(largest_page=5)
    deliver(gmail, 12)
    gmail.owner.erase_message(ids(gmail)[-1])
    gmail.inject_fault("/history.*pageToken", status=404, times=1)


def history_twice_and_in_no_order(gmail: GmailWorld) -> None:
    """A sister of rows 8, 9."""
    gmail.simulators.gmail.set_behaviour_switches(are_pages_disordered=True)
    gmail.inject_fault("/history", page="duplicate", times=None)
    first, *_ = deliver(gmail, 3)
    for change in ({"add": ["TRASH"]}, {"remove": ["TRASH"]}, {"add": ["INBOX", "STARRED"]}):
        gmail.owner.change_labels(first, **change)


SCENES: tuple[Callable[[GmailWorld], None], ...] = (
    *(of_strange_dates, archived_to_nothing, sent_to_oneself, one_of_a_thread_is_labelled),
    *(category_beside_a_label, purged_from_trash, sent_under_an_alias),
    *(label_made_again_under_its_name, trashed_with_a_label_that_is_deleted),
    *(draft_discarded_before_it_is_read, draft_sent_whose_mail_comes_late),
    *(history_expired_between_two_of_its_pages, history_twice_and_in_no_order),
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_mirror_is_the_mailbox_after_the_next_check(
    synced: GmailWorld, scene: Callable[[GmailWorld], None]
) -> None:
    scene(synced)

    synced.check_to_the_end()

    assert synced.is_exact()


@pytest.mark.parametrize("is_new", [False, True])
def test_chats_are_no_mail_and_no_failure(gmail: GmailWorld, is_new: bool) -> None:
    """Row 19: kenn-io/msgvault PR 691, rustmailer/bichon #72."""
    gmail.fill(3)
    mail = {*ids(gmail)}
    if is_new:
        assert gmail.sync() == "completed"
    chats = [
        gmail.owner.store_chat_message(f"line {n}", raw=b"MIME-Ver" * (n % 2)) for n in range(4)
    ]

    for sync_type in (SyncType.AUTOMATIC, SyncType.FULL):
        assert gmail.sync(sync_type) == "completed"

    assert gmail.stored().keys() == mail
    assert (owed(gmail), gmail.one(ACCOUNT)[2]) == (0, None)
    assert not [each for each in gmail.simulators.service.log.records() if chats[0] in each.path]


@pytest.mark.parametrize("is_read_between", [False, True])
def test_a_draft_that_is_edited_and_sent_is_one_mail(
    synced: GmailWorld, is_read_between: bool
) -> None:
    """Row 20: nylas/nylas-mail #933, nylas/sync-engine PR 322."""
    owner = synced.owner
    draft = owner.deliver_message(a_mail("draft", is_draft=True), ["DRAFT"])
    first = draft
    synced.inject_fault(f"/messages/{first}", status=404, times=None)
    for number in range(10):
        if is_read_between and number % 3 == 0:
            synced.sync()
        draft = owner.edit_draft(draft, body=f"version {number}")
    synced.sync()
    owner.send_draft(draft)

    synced.sync()
    synced.let_time_pass(hours=0.5)
    synced.check_to_the_end()

    assert synced.is_exact()
    assert owed(synced) == 0


@pytest.mark.parametrize("order", [1, -1])
def test_the_same_mail_in_two_mailboxes_is_a_row_in_each(
    gmail: GmailWorld, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    """Rows 22, 23: rtCamp/frappe-gmail-thread #69, LogicLabs-OU/OpenArchiver #340."""
    worlds = [gmail, another(gmail)]
    for world in worlds:
        round_mail = a_mail("to all", internet_message_id="<round@x>", conversation="round")
        world.owner.deliver_message(round_mail, ["INBOX"])
        world.fill(3)

    for world in worlds[::order]:
        world.install(monkeypatch)
        assert world.sync() == "completed"

    assert [world.is_exact() for world in worlds] == [True, True]


def another(gmail: GmailWorld) -> GmailWorld:
    """A second mailbox, of the same user."""
    remote = gmail.simulators.find_or_create_mailbox(f"second-{next(_numbers)}@gmail.example")
    account_id = CredentialStore(gmail.database).connect_account(
        user_id="ann",
        provider=GOOGLE,
        provider_account_id=remote.user_id,
        email_address=remote.address,
    )
    return GmailWorld(gmail.simulators, remote, gmail.settings, gmail.database, account_id)
