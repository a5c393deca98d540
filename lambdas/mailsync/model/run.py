"""Define a run: the record of one sync of one mailbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mailsync.model.ids import AccountId, FolderId, RunId


class SyncType(StrEnum):
    """The type of a sync. Only the type `full` reads every folder again from its beginning."""

    INITIAL = "initial"
    MANUAL = "manual"
    AUTOMATIC = "auto"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class SyncTypeAndFolders:
    """What a run syncs: the type of the sync and, for a full sync, the folders.

    folder_ids: sorted ids of the folders to which a `full` sync is limited. Empty: all folders.
    """

    sync_type: SyncType
    folder_ids: tuple[FolderId, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRef:
    """The identity of a run, with the epoch of the run's lease.

    lease_epoch: number of the lease under which the run writes. The database rejects a write if
        another execution or check has taken the lease, because then the current epoch is higher.
    """

    account_id: AccountId
    run_id: RunId
    lease_epoch: int

    @classmethod
    def from_workflow_state(cls, state: Mapping[str, Any]) -> "RunRef":
        return cls(AccountId(state["accountId"]), RunId(state["runId"]), int(state["leaseEpoch"]))
