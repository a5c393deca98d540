"""One run of one mailbox, and what was asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mailsync.model.ids import AccountId, FolderId, RunId


class SyncType(StrEnum):
    """The type of a sync. Only `full` reads every folder from its beginning."""

    INITIAL = "initial"
    MANUAL = "manual"
    AUTO = "auto"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class SyncScope:
    """What a run is asked for. `folder_ids`, sorted, limit a `full` one to these; empty: all."""

    sync_type: SyncType
    folder_ids: tuple[FolderId, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRef:
    """One run of one mailbox, and the epoch of the lease under which it may write."""

    account_id: AccountId
    run_id: RunId
    lease_epoch: int

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "RunRef":
        return cls(AccountId(state["accountId"]), RunId(state["runId"]), int(state["leaseEpoch"]))
