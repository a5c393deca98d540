"""Functions that work at the same time share a quota: never more than the limit in any minute."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from random import Random

import pytest

from mailsync.errors import ProviderThrottled, SettingMissing
from mailsync.model import Account, AccountId, ProviderName
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.quota_store import (
    MAX_TOTAL_SLEEP_S,
    MailboxQuota,
    QuotaLimits,
    open_mailbox_quota,
    quota_statuses_of_accounts,
)
from tests.store.rows import rows
from tests.support.builders import connect_account

GOOGLE = ProviderName("google")
Used = list[tuple[float, float, int]]
"""When each request for units began and ended, and the units."""
LIMITS = QuotaLimits(6_000, 1_200_000)
A_MINUTE_PASSES = "UPDATE mailsync.quota_use SET until = until - interval '63 s' RETURNING 1"


def account_of(account_id: AccountId) -> Account:
    return Account(account_id, GOOGLE, "active")


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def quota(database: Database, account_id: AccountId, slept: list[float]) -> Iterator[MailboxQuota]:
    with MailboxQuota(database, account_of(account_id), LIMITS, slept.append) as quota:
        yield quota


def take_all(quota: MailboxQuota) -> tuple[int, float]:
    """Take messages until there is a pause; return the units, and the seconds of the pause."""
    taken = 0
    while True:
        try:
            quota.take_units(20)
        except ProviderThrottled as pause:
            return taken, pause.retry_after_s or 0.0
        taken += 20


def left_of(database: Database, account_id: AccountId) -> int:
    with database.transaction() as tx:
        return quota_statuses_of_accounts(tx, [account_id])[account_id].units_available_now


def use_units(settings: Settings, account_id: AccountId, limits: QuotaLimits, seed: int) -> Used:
    """Take random units, as one function after the other does; return when, and how many."""
    dice, used, ends_at = Random(seed), list[tuple[float, float, int]](), time.monotonic() + 20
    limit = min(limits.mailbox_units_per_minute, limits.project_units_per_minute)
    with closing(Database(settings)) as database:
        while sum(units for *_, units in used) < limit / 2 and time.monotonic() < ends_at:
            with MailboxQuota(database, account_of(account_id), limits) as quota:
                for _ in range(dice.randint(1, 9)):
                    began_at, units = time.monotonic(), dice.choice((1, 2, 5, 20))
                    try:
                        quota.take_units(units, is_backfill=dice.random() < 0.5)
                    except ProviderThrottled as pause:
                        time.sleep(pause.retry_after_s or 0)
                        break
                    used.append((began_at, time.monotonic(), units))
    return used


@pytest.mark.parametrize(
    ("per_mailbox", "per_project"), [(300, 100_000), (100_000, 8 * 100)], ids=["mailbox", "project"]
)
def test_no_window_sees_more_than_the_limit(
    settings: Settings, account_id: AccountId, per_mailbox: int, per_project: int
) -> None:
    limits = QuotaLimits(per_mailbox, per_project, window_s=0.6)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda seed: use_units(settings, account_id, limits, seed), range(4))
        used = [each for one in found for each in one]

    limit = min(per_mailbox, per_project)
    sums = [
        sum(units for began, ended, units in used if began >= start and ended < start + 0.6)
        for start, *_ in used
    ]
    assert max(sums) <= limit
    assert sum(units for *_, units in used) > limit, "the window has moved on"


def test_a_used_up_quota_ends_in_a_pause_and_not_in_a_long_sleep(
    quota: MailboxQuota, slept: list[float], database: Database
) -> None:
    assert 50 < take_all(quota)[1] <= 62
    assert sum(slept) <= MAX_TOTAL_SLEEP_S
    rows(database, A_MINUTE_PASSES)
    quota.take_units(20)


def test_a_backfill_leaves_a_reserve_to_new_mail_and_pauses_for_it_several_times_a_minute(
    database: Database, account_id: AccountId, slept: list[float]
) -> None:
    parts: list[tuple[int, float]] = []
    while not parts or parts[-1][0]:
        with (
            MailboxQuota(database, account_of(account_id), LIMITS, slept.append) as quota,
            quota.treating_requests_as_backfill(),
        ):
            parts.append(take_all(quota))

    assert 5_000 <= sum(units for units, _ in parts) <= 5_400
    assert max(units for units, _ in parts) <= 5_400 / 8 + 20
    assert max(pause_s for _, pause_s in parts[:7]) < 60 / 7
    assert parts[-1][1] > 30, "until the minute is over"
    with MailboxQuota(database, account_of(account_id), LIMITS) as check:
        check.take_units(30)


def test_what_a_function_does_not_use_it_gives_back(
    quota: MailboxQuota, database: Database, account_id: AccountId
) -> None:
    with quota:
        quota.take_units(20)
        quota.take_units(3)

    assert left_of(database, account_id) == 6_000 - 23
    assert rows(
        database,
        "SELECT sum(u.units)::int FROM mailsync.quota_use u JOIN mailsync.quota_buckets b"
        " ON b.id = u.bucket_id WHERE b.account_id IS NULL",
    ) == [[23]]


@pytest.mark.parametrize("is_project", [False, True])
def test_a_refusal_of_the_provider_outlives_the_function(
    quota: MailboxQuota, database: Database, account_id: AccountId, is_project: bool
) -> None:
    other = connect_account(database, "other", GOOGLE)
    quota.take_units(1)
    quota.save_throttle_pause(40.0, is_project=is_project)

    with pytest.raises(ProviderThrottled) as pause:
        MailboxQuota(database, account_of(account_id), LIMITS).take_units(1)

    assert 35 < (pause.value.retry_after_s or 0) <= 40
    with MailboxQuota(database, account_of(other), LIMITS) as of_other:
        if is_project:
            with pytest.raises(ProviderThrottled):
                of_other.take_units(1)
        else:
            of_other.take_units(1)


def test_the_limits_are_settings(database: Database, account_id: AccountId) -> None:
    account = account_of(account_id)
    wrong = Settings({"GMAIL_UNITS_PER_MINUTE": "many"})
    small = open_mailbox_quota(database, account, Settings({"GMAIL_UNITS_PER_MINUTE": "40"}))

    assert small is not None
    with small:
        small.take_units(30)
        with pytest.raises(ProviderThrottled):
            small.take_units(30)
    with pytest.raises(SettingMissing, match="GMAIL_UNITS_PER_MINUTE"):
        open_mailbox_quota(database, account, wrong)
    microsoft = Account(account_id, ProviderName("microsoft"), "active")
    assert open_mailbox_quota(database, microsoft, wrong) is None
