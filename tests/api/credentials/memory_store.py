"""Credentials and data keys in memory, under the rules of the real store."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock

from mailsync.errors import AccountNotConnected
from mailsync.model import AccountId, Credentials, DataKey


@dataclass
class HeldCredentials:
    credentials: Credentials
    has_ended: bool = False

    def save(self, credentials: Credentials) -> None:
        self.credentials, self.has_ended = credentials, False

    def postpone(self, until: datetime) -> None:
        self.credentials = replace(self.credentials, renew_after=until)

    def end_grant(self) -> None:
        self.has_ended = True


class MemoryStore:
    """Like the real one it has one connection: no other call inside `lock_for_renewal`."""

    def __init__(self) -> None:
        self.saved: Credentials | None = None
        self.has_ended = False
        self.keys: dict[int, DataKey] = {}
        self._lock = Lock()
        self._holds_lock = False

    def credentials(self, account_id: AccountId) -> Credentials:
        self._must_not_hold_lock()
        if self.saved is None:
            raise AccountNotConnected(f"Account {account_id} has no credentials.")
        return self.saved

    @contextmanager
    def lock_for_renewal(self, account_id: AccountId) -> Iterator[HeldCredentials]:
        held = HeldCredentials(self.credentials(account_id), self.has_ended)
        with self._lock:
            self._holds_lock = True
            try:
                yield held
            finally:
                self._holds_lock = False
            self.saved, self.has_ended = held.credentials, held.has_ended

    def newest_data_key(self) -> DataKey | None:
        self._must_not_hold_lock()
        return self.keys[max(self.keys)] if self.keys else None

    def data_key(self, key_id: int) -> DataKey:
        self._must_not_hold_lock()
        return self.keys[key_id]

    def add_data_key(self, wrapped: bytes) -> DataKey:
        self._must_not_hold_lock()
        key = DataKey(len(self.keys) + 1, wrapped, datetime.now(UTC))
        self.keys[key.id] = key
        return key

    def age_keys(self, age: timedelta) -> None:
        self.keys = {
            each.id: replace(each, created_at=each.created_at - age) for each in self.keys.values()
        }

    def end_pause(self) -> None:
        assert self.saved is not None
        self.saved = replace(self.saved, renew_after=datetime.now(UTC))

    def _must_not_hold_lock(self) -> None:
        assert not self._holds_lock, "a call inside the transaction that holds the lock"
