"""Share the provider's quota among all functions: units per minute of a mailbox and of the project.

A quota is a sliding window of a minute, not a token bucket that fills at a constant rate. A bucket
grants its contents and also what flows in during the same minute. So a bucket either exceeds the
limit or leaves most of the limit unused.

Functions take units in blocks, so that many requests cost one transaction. A function may use the
units of a block some seconds after it has taken them. The window is therefore longer than a minute
by these seconds.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from random import sample
from threading import Lock
from typing import Any

from mailsync.decisions.remaining_time import (
    PENDING_MESSAGE_FETCH_BURSTS_PER_MINUTE,
    QUOTA_SHARE_RESERVED_FOR_NEW_MAIL,
    QuotaStatus,
)
from mailsync.errors import ProviderThrottled, SettingMissing
from mailsync.log import logger
from mailsync.model import Account, AccountId, ProviderName
from mailsync.registry import NumberSetting, QuotaSettings, find_provider
from mailsync.settings import Settings, SettingsSection
from mailsync.store import rows
from mailsync.store.connection import Database, Transaction

PROJECT_QUOTA_SHARD_COUNT = 8
"""The number of database rows among which the quota of a project is divided. With several rows,
functions seldom wait for each other's lock."""
MAX_PROJECT_QUOTA_SHARDS_TRIED = 3
QUOTA_UNITS_PER_BLOCK = 200
"""The number of units that one transaction takes as a block, unless one request needs more."""
QUOTA_WINDOW_S = 60.0
UNIT_BLOCK_LIFETIME_PER_WINDOW = 1 / 60
"""The lifetime of a block of units, as a share of the window. A function uses the units of a block
within one to two times this time, and gives the others back."""
MAX_SINGLE_SLEEP_S = 1.0
"""The longest time in seconds that a function sleeps for units. A Wait state of the workflow costs
less than a longer sleep."""
MIN_SLEEP_S = 0.05
MAX_TOTAL_SLEEP_S = 5.0
"""The limit in seconds for all sleeps of one function together, while it has the mailbox open."""
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
WORKFLOW_WAIT_STATE_OVERHEAD_S = 1.0
"""The minimum seconds that a workflow needs to leave a state, and to enter the state again after a
Wait."""
DEFAULT_THROTTLE_PAUSE_S = 60.0
"""The pause in seconds after the provider has refused a request because of its quota without naming
a pause. It equals the window, after which the quota is available again."""


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """The provider's limits of one mailbox and of the project, in the provider's units per minute.

    window_s: length in seconds of the window in which the units are counted. Tests use less than
        60.
    """

    mailbox_units_per_minute: int
    project_units_per_minute: int
    window_s: float = QUOTA_WINDOW_S


class QuotaLimitSettings(SettingsSection):
    """The section of the settings that has the providers' quota limits."""

    def limits_of_provider(self, names: QuotaSettings) -> QuotaLimits:
        """Return a provider's limits: the values of these settings, or else their defaults."""
        return QuotaLimits(
            self._number(names.mailbox_units_per_minute_setting),
            self._number(names.project_units_per_minute_setting),
        )

    def _number(self, setting: NumberSetting) -> int:
        value = self._values.get(setting.name, "").strip() or str(setting.default)
        if not _NUMBER.fullmatch(value):
            raise SettingMissing(f"The setting {setting.name} must be a whole number from 1.")
        return int(value)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The units to take from a quota's row: at least `units`, and at most `block` if that is more.
    Units for a backfill leave the reserve for new mail."""

    units: int
    block: int
    is_backfill: bool


@dataclass(frozen=True, slots=True)
class _Grant:
    """Units that were taken from the row `bucket_id` of a quota. They can be used for `usable_s`
    seconds, until the time `until` of the database's clock. If `units` is 0, none were taken, and
    units are available after `wait_s` seconds."""

    bucket_id: int
    units: int
    until: datetime | None
    usable_s: float
    wait_s: float


@dataclass(slots=True)
class _Block:
    """Taken units that can be used until the time `until` of the monotonic clock."""

    units: int
    until: float
    sources: tuple[_Grant, ...]


class MailboxQuota:
    """The provider's quota of one mailbox, as this Lambda function uses it. Implements
    `QuotaUnitSource`.

    The function takes units in blocks. At the end of a `with` block, unused units are given back.
    Several threads may use an object.
    """

    def __init__(
        self,
        database: Database,
        account: Account,
        limits: QuotaLimits,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database, self._account, self._limits = database, account, limits
        self._sleep, self._slept_s = sleep, 0.0
        self._lock = Lock()
        self._block: _Block | None = None
        self._is_backfilling = False
        self._opened_at, self._backfill_units = time.monotonic(), 0

    def __enter__(self) -> "MailboxQuota":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._give_back()

    @contextmanager
    def treating_requests_as_backfill(self) -> Iterator[None]:
        """Treat all requests in the `with` block as requests for old mail. They leave a reserve, a
        tenth of the quota, to requests for new mail."""
        self._is_backfilling = True
        try:
            yield
        finally:
            self._is_backfilling = False

    def take_units(self, units: int, *, is_backfill: bool = False) -> None:
        """Take units from the quota of the mailbox and of the project. If they are available soon,
        sleep until then.

        is_backfill: whether the request fetches old mail. It then leaves a reserve, a tenth of the
            quota, to requests for new mail.

        Raises:
            ProviderThrottled: the pause would be longer than MAX_SINGLE_SLEEP_S, or all pauses
                together longer than MAX_TOTAL_SLEEP_S, or this object has taken the units of one
                burst of a backfill, an eighth of the units that backfills may take per minute. No
                unit was taken.
        """
        is_backfill = is_backfill or self._is_backfilling
        with self._lock:
            if is_backfill:
                self._require_part_of_backfill()
            while (wait_s := self._take(units, is_backfill)) > 0:
                if wait_s > MAX_SINGLE_SLEEP_S or self._slept_s + wait_s > MAX_TOTAL_SLEEP_S:
                    raise ProviderThrottled(
                        "The provider's quota is used up for the moment. The mail stays, and the"
                        " sync goes on when there is quota again.",
                        retry_after_s=wait_s,
                    )
                self._slept_s += wait_s
                self._sleep(wait_s)
            self._backfill_units += units if is_backfill else 0

    def save_throttle_pause(self, retry_after_s: float | None, *, is_project: bool) -> None:
        """Store the pause that the provider requested, so that no function sends a request before
        its end."""
        pause_s = DEFAULT_THROTTLE_PAUSE_S if retry_after_s is None else retry_after_s
        logger.warning("quota_exhausted", is_project=is_project, seconds=round(pause_s, 1))
        with self._lock, self._database.transaction() as tx:
            tx.run(
                "pause_quota",
                **self._bucket(is_project=is_project),
                slots=PROJECT_QUOTA_SHARD_COUNT if is_project else 1,
                pause_s=float(pause_s),
            )
            self._block = None

    def _require_part_of_backfill(self) -> None:
        """Raise ProviderThrottled if this object has taken the units of one burst of a backfill, an
        eighth of the units that backfills may take per minute. The pause lasts until the quota per
        minute has granted the units that were taken so far."""
        limit = _limit(self._limits.mailbox_units_per_minute, is_backfill=True)
        if self._backfill_units < max(1, limit // PENDING_MESSAGE_FETCH_BURSTS_PER_MINUTE):
            return
        allowed_s = self._backfill_units / limit * self._limits.window_s
        passed_s = time.monotonic() - self._opened_at + WORKFLOW_WAIT_STATE_OVERHEAD_S
        raise ProviderThrottled(
            "The backfill leaves the provider's quota to new mail for some seconds. The mail stays,"
            " and the sync goes on then.",
            retry_after_s=max(MIN_SLEEP_S, allowed_s - passed_s),
        )

    def _take(self, units: int, is_backfill: bool) -> float:
        """Take units from the present block, or from a new block. Return 0, or the seconds until
        units are available."""
        block = self._block
        if block and block.units >= units and time.monotonic() < block.until:
            block.units -= units
            return 0.0
        self._give_back()
        with self._database.transaction() as tx:
            taken = self._take_block(tx, units, is_backfill)
        if isinstance(taken, float):
            return max(taken, MIN_SLEEP_S)
        taken.units -= units
        self._block = taken
        return 0.0

    def _take_block(self, tx: Transaction, units: int, is_backfill: bool) -> "_Block | float":
        """Take a block of units from both quotas, the mailbox's and the project's, or from none.
        Return the block, or the seconds until `units` units are available. The rows of the
        project's quota are locked in order, against deadlocks."""
        taken_at = time.monotonic()
        wanted = _Wanted(units, QUOTA_UNITS_PER_BLOCK, is_backfill)
        mailbox = self._take_of(tx, 0, wanted, is_project=False)
        if not mailbox.units:
            return mailbox.wait_s
        wanted = _Wanted(units, mailbox.units, is_backfill)
        waits = []
        for slot in sorted(
            sample(range(PROJECT_QUOTA_SHARD_COUNT), MAX_PROJECT_QUOTA_SHARDS_TRIED)
        ):
            project = self._take_of(tx, slot, wanted, is_project=True)
            if project.units:
                _return_units(tx, (mailbox,), mailbox.units - project.units)
                until = taken_at + min(mailbox.usable_s, project.usable_s)
                return _Block(project.units, until, (mailbox, project))
            waits.append(project.wait_s)
        _return_units(tx, (mailbox,), mailbox.units)
        return min(waits)

    def _take_of(
        self, tx: Transaction, slot: int, wanted: "_Wanted", *, is_project: bool
    ) -> "_Grant":
        """Take units from one row of a quota, and return them.

        slot: number of the row. The project's quota is divided among `PROJECT_QUOTA_SHARD_COUNT`
            rows; the mailbox's quota has only row 0.
        """
        bucket = self._bucket(is_project=is_project)
        [[bucket_id, paused_s]] = tx.run("lock_quota", **bucket, slot=slot)
        if paused_s:
            return _Grant(bucket_id, 0, None, 0.0, paused_s)
        limit = _limit(bucket["units_per_minute"], is_backfill=wanted.is_backfill)
        # A backfill waits until many units are free, because each wait costs state transitions.
        is_patient = wanted.is_backfill and not is_project
        [grant] = tx.run(
            "take_quota",
            bucket_id=bucket_id,
            limit=limit,
            units=wanted.units,
            block=wanted.block,
            awaited=max(
                wanted.units, limit // PENDING_MESSAGE_FETCH_BURSTS_PER_MINUTE if is_patient else 0
            ),
            hold_s=self._limits.window_s * UNIT_BLOCK_LIFETIME_PER_WINDOW,
            window_s=self._limits.window_s,
        )
        return _Grant(bucket_id, *grant)

    def _give_back(self) -> None:
        block, self._block = self._block, None
        if block and block.units:
            with self._database.transaction() as tx:
                _return_units(tx, block.sources, block.units)

    def _bucket(self, *, is_project: bool) -> dict[str, Any]:
        slots = PROJECT_QUOTA_SHARD_COUNT if is_project else 1
        limit = (
            self._limits.project_units_per_minute
            if is_project
            else self._limits.mailbox_units_per_minute
        )
        return {
            "provider": self._account.provider,
            "account_id": None if is_project else self._account.id,
            "units_per_minute": limit // slots,
        }


def open_mailbox_quota(
    database: Database, account: Account, settings: Settings
) -> MailboxQuota | None:
    """Return the quota of the account's mailbox. None: the provider has no quota."""
    provider = find_provider(account.provider)
    if provider is None or provider.quota_settings is None:
        return None
    limits = settings.read_settings_section(QuotaLimitSettings).limits_of_provider(
        provider.quota_settings
    )
    return MailboxQuota(database, account, limits)


def find_mailbox_quota_units_per_minute(provider: ProviderName, settings: Settings) -> int | None:
    """Return the quota of one mailbox, in the provider's units per minute. None: the provider has
    no quota."""
    found = find_provider(provider)
    if found is None or found.quota_settings is None:
        return None
    return (
        settings.read_settings_section(QuotaLimitSettings)
        .limits_of_provider(found.quota_settings)
        .mailbox_units_per_minute
    )


def quota_statuses_of_accounts(
    tx: Transaction, account_ids: Iterable[AccountId]
) -> dict[AccountId, QuotaStatus]:
    """Return the state of each mailbox's quota, by account id. The result lacks mailboxes of
    providers without a quota, and mailboxes for which no unit was taken yet."""
    found = tx.run("quotas", account_ids=rows.to_jsonb(list(account_ids)))
    return {AccountId(account_id): QuotaStatus(*quota) for account_id, *quota in found}


def _limit(units: int, *, is_backfill: bool) -> int:
    """Return how many units of a limit may be used: all, or for a backfill nine tenths, because a
    backfill leaves a reserve to new mail."""
    return int(units * (1 - QUOTA_SHARE_RESERVED_FOR_NEW_MAIL)) if is_backfill else units


def _return_units(tx: Transaction, sources: tuple[_Grant, ...], units: int) -> None:
    if units:
        for each in sources:
            tx.run("return_quota", bucket_id=each.bucket_id, until=each.until, units=units)
