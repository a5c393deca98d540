"""A simulated Gmail mailbox, the workflow that mirrors it, and the quota that both count.

The quota is the product's own, in Postgres. Pauses pass at once in the tables and in the minutes of
the simulator, so a mailbox that takes half an hour takes seconds here.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localdev.simulators.gmail.labels import CATEGORY_LABEL_IDS
from localdev.simulators.gmail.mailbox import GmailMailbox as SimulatedMailbox
from localdev.simulators.gmail.owner import GmailMailboxEditor
from mailsync.decisions.budget import MAX_TOTAL_PAUSE_PER_CHECK_S
from mailsync.model import AccessToken, Account
from mailsync.providers import MailProvider
from mailsync.providers.gmail.provider import GmailMailbox
from mailsync.providers.retry_budget import RetryBudget
from mailsync.store.check_store import Check
from mailsync.store.connection import Database, connect
from mailsync.store.quota_store import WORKFLOW_WAIT_STATE_OVERHEAD_S, MailboxQuota, QuotaLimits
from mailsync.sync import mailbox
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.message_ids import wrap_provider_for_stable_message_ids
from tests.support.comparison import divergences
from tests.support.gmail_form import GmailForm
from tests.support.mail import a_mail
from tests.workflow.failures.world import SimulatedAccess, World

NO_LIMIT = QuotaLimits(10**8, 10**8)
NEW_PROJECT = QuotaLimits(6_000, 1_200_000)
"""Gmail API documentation, "Usage limits": of projects since May 2026."""
_PASS = """
WITH uses AS (DELETE FROM mailsync.quota_use RETURNING *),
aged AS (UPDATE mailsync.quota_buckets SET paused_until = paused_until - {ago}),
accounts AS (UPDATE mailsync.email_accounts SET throttled_until = throttled_until - {ago}),
pending AS (UPDATE mailsync.pending_messages
               SET retry_at = retry_at - {ago}, missing_since = missing_since - {ago})
SELECT bucket_id, until - {ago}, units FROM uses"""
_RESTORE = "INSERT INTO mailsync.quota_use VALUES ({}, '{}', {}) RETURNING 1"


def sized(number: int) -> int:
    """The number of messages or labels of a test, unless GMAIL_SIZE in the environment asks for
    another: `GMAIL_SIZE=10000 pytest -n 0 -rP` prints the figures of a large mailbox."""
    return int(os.environ.get("GMAIL_SIZE") or number)


class GmailAccess(SimulatedAccess):
    def _issue(self) -> AccessToken:
        token = self._simulators.gmail.tokens.issue_token(self._remote.user_id)
        return AccessToken(token, datetime.now(UTC) + timedelta(hours=1))


@dataclass
class Used:
    """units, requests: what the simulated Gmail counted; requests by method."""

    units: int = 0
    requests: Counter[str] = field(default_factory=Counter)


class GmailWorld(World):
    """slept: seconds that functions slept for the quota. passed_s: seconds that were waited or
    slept, which did not pass in truth. on_wait: happens at the beginning of each wait of the
    workflow. has_categories: whether they are folders of the simulated mailbox."""

    limits = NO_LIMIT
    has_categories = True

    def __post_init__(self) -> None:
        super().__post_init__()
        labels = SimulatedMailbox(self.remote, self.simulators.gmail.behaviour).labels
        if self.has_categories:  # the API lists them also where no message has had them
            for each in CATEGORY_LABEL_IDS:
                labels.find_or_create_folder_number(each)
        self.form, self.access = GmailForm(self.remote), GmailAccess(self.simulators, self.remote)
        self.slept: list[float] = []
        self.passed_s = 0.0
        self.on_wait: Callable[[], object] = lambda: None
        self.simulators.gmail.quota.clock = lambda: time.time() + self.passed_s

    def install(self, patch: pytest.MonkeyPatch) -> None:
        super().install(patch)
        patch.setattr(
            mailbox, "open_mailbox_quota", lambda database, account, _: self._quota(account)
        )

    @property
    def owner(self) -> GmailMailboxEditor:
        return GmailMailboxEditor(self.remote, self.simulators.gmail.behaviour)

    @contextmanager
    def counted(self) -> Iterator[Used]:
        """What the `with` block used of the quota, known after it."""
        used, before = Used(), self._counted()
        yield used
        after = self._counted()
        used.units, used.requests = after[0] - before[0], after[1] - before[1]
        print(f"{used.units} units: {dict(used.requests)}")

    @property
    def refused(self) -> dict[str, int]:
        """The requests that the simulated Gmail refused, by limit."""
        return dict(self.simulators.gmail.quota.to_json()["refused"].get(self.remote.user_id, {}))

    def fill(self, messages: int, *, threads: int | None = None, **fields: Any) -> None:
        """Load small messages into the inbox, each in one of so many threads that are chosen by
        chance; None: each in its own."""
        chance = random.Random(messages)
        self.remote.import_mail_items(
            replace(
                a_mail(f"mail {number}", minutes=-number, **fields),
                conversation=f"thread {chance.randrange(threads) if threads else number}",
                internet_message_id=f"<{number}@mail.example>",
            )
            for number in range(messages)
        )

    def is_exact(self, *, is_confirmed: bool = False) -> bool:
        """Rows, folders and counts; shows the difference when it is asserted."""
        with closing(connect(self.settings)) as tables:
            found = divergences(
                tables, self.account_id, self.remote, self.form, is_confirmed=is_confirmed
            )
        assert found == []
        return True

    def open_mailbox(self, account: Account, *_: object, **named: Any) -> MailProvider:
        budget = RetryBudget(self.pauses.append)
        return self._provider(budget, account.max_requests_in_flight, named.get("quota"))

    def provider(self, budget: RetryBudget, max_in_flight: int | None) -> MailProvider:
        return self._provider(budget, max_in_flight, None)

    def _provider(
        self, budget: RetryBudget, max_in_flight: int | None, quota: MailboxQuota | None
    ) -> MailProvider:
        return GmailMailbox(
            base_url=self.simulators.gmail_url,
            access=self.access,
            ca_bundle=None,
            budget=budget,
            max_in_flight=max_in_flight,
            quota=quota,
        )

    @contextmanager
    def _opened(self, check: Check) -> Iterator[Mailbox]:
        budget = RetryBudget(self.pauses.append, total_s=MAX_TOTAL_PAUSE_PER_CHECK_S)
        with self._quota(check.account) as quota:
            in_flight = check.account.max_requests_in_flight
            client = self._provider(budget, in_flight, quota)
            provider = wrap_provider_for_stable_message_ids(client, check.run_ref, self.database)
            with closing(provider):
                yield Mailbox(
                    check.run_ref,
                    self.access,
                    provider,
                    self.database,
                    self._vault,
                    provider.max_requests_in_flight,
                    mailbox_quota=quota,
                )

    def _quota(self, account: Account) -> MailboxQuota:
        return MailboxQuota(self._open_database(), account, self.limits, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._pass(seconds)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.on_wait()
        self._pass(seconds + WORKFLOW_WAIT_STATE_OVERHEAD_S)

    def _pass(self, seconds: float) -> None:
        """As if so many seconds had passed for the quota."""
        self.passed_s += seconds
        with closing(Database(self.settings)) as database, database.transaction() as tx:
            ago = f"make_interval(secs => {seconds})"
            for use in tx._connection.run(_PASS.format(ago=ago)) or ():
                tx._connection.run(_RESTORE.format(*use))

    def _counted(self) -> tuple[int, Counter[str]]:
        quota = self.simulators.gmail.quota
        requests = quota.to_json()["requests"].get(self.remote.user_id, {})
        return quota.count_charged_units_since_reset(self.remote.user_id), Counter(requests)
