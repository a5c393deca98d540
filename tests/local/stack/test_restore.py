"""The backup of yesterday under the mailboxes of today, with the commands of docs/operations.md."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from localdev.demo_account import DemoAccount, connect
from tests.local.mirror import Mirror, when
from tests.local.stack.test_memory import has_ended
from tests.local.stack.test_outages import a_long_sync
from tests.support.backup_commands import BackupCommands
from tests.support.clock import let_time_pass

pytestmark = pytest.mark.long

DAY_H = 24
EMAILS = "SELECT message_id, id FROM mailsync.emails"
LAST_ID = "SELECT last_value FROM mailsync.emails_id_seq"
SUBSCRIPTIONS = """
SELECT a.user_id, s.remote_id FROM mailsync.provider_subscriptions s
  JOIN mailsync.email_accounts a ON a.id = s.account_id"""
RUN = "SELECT error, finished_at FROM mailsync.sync_runs"
STATUS = "SELECT user_id, status FROM mailsync.email_accounts"
EVENTS = "SELECT detail ->> 'eventId' FROM mailsync.outbox WHERE published_at IS NULL"
NOT_PUBLISHED = (
    "UPDATE mailsync.outbox SET published_at = NULL"
    " WHERE id = (SELECT max(id) FROM mailsync.outbox) RETURNING detail ->> 'eventId'"
)
TOKENS_END = "UPDATE mailsync.email_credentials SET access_expires_at = now() - interval '1 day'"
OPEN_RUNS = "SELECT id FROM mailsync.sync_runs WHERE status IN ('queued', 'running')"
AT_WORK = f"""
SELECT 1 FROM mailsync.email_accounts
 WHERE status = 'active' AND (next_sync_at <= now() OR lease_owner IS NOT NULL)
    OR EXISTS ({OPEN_RUNS})"""


@dataclass
class Drill:
    """`yesterday` is the `emails.id` by message id at that time, `last_id` the last one that was
    given out before the restore."""

    mirror: Mirror
    commands: BackupCommands
    people: dict[str, DemoAccount]
    yesterday: dict[str, int] = field(default_factory=dict)
    last_id: int = 0
    event: str = ""
    published: int = 0
    open_run: str = ""
    unconfirmed: str = ""

    def emails(self) -> dict[str, int]:
        return dict(map(tuple, self.mirror.rows(EMAILS)))

    def inbox(self) -> list[str]:
        """The provider's ids of its messages, the newest first."""
        path = f"messages?mailbox={self.mirror.account.address}&folder=inbox"
        return [each["immutable_id"] for each in self.mirror.control("GET", path)]

    def alive(self) -> set[str]:
        """The ids of the subscriptions at the provider."""
        return {each["id"] for each in self.mirror.control("GET", "subscriptions")}

    def times_published(self) -> int:
        """How often the bus got the event that was in the outbox at the time of the backup."""
        self.mirror.invoke("publish-events")
        bus = self.mirror.stack.simulated_event_bus.list_recent_local_bus_events()
        return sum(each["detail"].get("eventId") == self.event for each in bus)

    def connect(self, user: str) -> None:
        """Connect a new mailbox with a mail, and wait for the end of its first sync."""
        address = f"{user}@restored.example"
        account = self.mirror.connect_other(address, user)
        self.mirror.control("POST", "deliver", mailbox=address, subject=f"For {user}")
        self.people[user] = account
        when(lambda: has_ended(account))

    def remove(self, user: str, data: str) -> None:
        account = self.people[user]
        url = f"{account.api_url}/api/email/accounts/{account.id}?data={data}"
        assert httpx.delete(url, headers=account.authorization_headers, timeout=60).is_success

    def dump_with_event(self) -> str | None:
        """Return an event that was in the outbox meanwhile, if no late publisher has taken it."""
        [[event]] = self.mirror.rows(NOT_PUBLISHED)
        self.commands.run("back up")
        return str(event) if [event] in self.mirror.rows(EVENTS) else None

    def back_up(self) -> None:
        """In mid-sync, while a message is gone and an event is in the outbox."""
        self.mirror.invoke("renew-subscriptions")
        self.unconfirmed = self.inbox()[0]
        self.mirror.simulate("delete-permanently", id=self.unconfirmed)
        self.mirror.synced()
        self.mirror.invoke("publish-events")
        self.open_run = a_long_sync(self.mirror)
        when(self.mirror.is_within_inbox)
        self.event = when(self.dump_with_event)
        self.yesterday = self.emails()
        self.mirror.latency()
        self.mirror.finished()

    def live_a_day(self) -> None:
        """Every kind of change of mail, of a grant, of a connection."""
        first, second, third, *_ = self.inbox()
        added = self.mirror.simulate("create-folder", name="After the backup")["id"]
        self.mirror.simulate("deliver", subject="A mail of today")
        self.mirror.simulate("delete-permanently", id=first)
        self.mirror.simulate("move", id=second, destination=added)
        self.mirror.simulate("mark-read", id=third)
        account, provider = self.mirror.account, self.mirror.stack.provider
        self.people["demo"] = account
        self.remove("demo", "keep")
        connect(account.api_url, provider, self.mirror.stack.token())
        self.mirror.finished()
        self.published = self.times_published()
        self.mirror.control("POST", "revoke", mailbox=self.people["refused"].address)
        self.remove("disconnected", "keep")
        self.remove("purged", "purge")
        self.connect("new")
        self.mirror.invoke("renew-subscriptions")

    def restore(self) -> None:
        """While a sync runs."""
        a_long_sync(self.mirror)
        when(self.mirror.is_within_inbox)
        self.commands.run("lock out")
        [[self.last_id]] = self.mirror.rows(LAST_ID)
        self.commands.run("replace")
        let_time_pass(self.mirror.rows, DAY_H)
        self.mirror.rows(f"{TOKENS_END} RETURNING 1")
        ids = {each: self.people[each].id for each in ("disconnected", "purged")}
        self.commands.run("prepare", DISCONNECTED=ids["disconnected"], PURGED=ids["purged"])
        self.commands.run("let in")
        self.mirror.latency()

    def sync(self) -> None:
        """What the schedule does, until no mailbox is due."""

        def is_calm() -> bool:
            self.mirror.invoke("start-due-syncs")
            return not self.mirror.rows(AT_WORK)

        when(is_calm)
        self.mirror.invoke("renew-subscriptions")
        self.mirror.invoke("purge-accounts")

    def clean_up(self) -> None:
        self.mirror.latency()
        for user, _ in self.mirror.rows(STATUS):
            if user in self.people:
                self.remove(user, "purge")


@pytest.fixture(scope="module")
def drill(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    mirror.latency()
    mirror.finished()
    folder = tmp_path_factory.mktemp("backup")
    drill = Drill(mirror, BackupCommands(folder, mirror.stack.database_url), {})
    for user in ("refused", "disconnected", "purged"):
        drill.connect(user)
    drill.back_up()
    drill.live_a_day()
    drill.restore()
    drill.sync()
    yield drill
    drill.commands.run("delete the former")
    drill.clean_up()


def test_the_mirror_is_exact_after_the_next_sync(drill: Drill) -> None:
    assert drill.mirror.divergences() == []


def test_mail_of_the_backup_keeps_its_id_and_no_id_is_given_out_twice(drill: Drill) -> None:
    now = drill.emails()

    kept = now.keys() & drill.yesterday.keys()
    assert {each: now[each] for each in kept} == {each: drill.yesterday[each] for each in kept}
    assert min(now[each] for each in now.keys() - kept) > drill.last_id


def test_a_removal_of_the_backup_ends_with_its_second_confirmation(drill: Drill) -> None:
    assert drill.unconfirmed in drill.yesterday
    assert drill.unconfirmed not in drill.emails()


def test_only_a_refusal_of_the_identity_platform_closes_an_account_and_removals_last(
    drill: Drill,
) -> None:
    assert dict(map(tuple, drill.mirror.rows(STATUS))) == {
        "demo-user": "active",
        "refused": "reauth_required",
        "disconnected": "disconnected",
    }


def test_a_run_that_was_open_is_closed_and_an_event_of_the_outbox_is_published_again(
    drill: Drill,
) -> None:
    [[error, until]] = drill.mirror.rows(f"{RUN} WHERE id = '{drill.open_run}'")
    assert (error, until is not None) == ("ExecutionDied", True)

    assert drill.times_published() == drill.published + 1


def test_a_mailbox_has_one_subscription_also_if_it_was_connected_after_the_backup(
    drill: Drill,
) -> None:
    drill.connect("new")
    drill.mirror.invoke("renew-subscriptions")

    rows = dict(map(tuple, drill.mirror.rows(SUBSCRIPTIONS)))
    assert rows.keys() == {"demo-user", "refused", "new"}
    assert {*rows.values()} == drill.alive()
