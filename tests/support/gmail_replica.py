"""What a client knows of a simulated Gmail mailbox that applies the pages of its feed."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from localdev.simulators import Simulators
from localdev.simulators.gmail.mailbox import GmailMailbox as SimulatedMailbox
from localdev.simulators.mailbox import Mailbox
from mailsync.credentials import FixedAccessTokenSource
from mailsync.model import (
    AccessToken,
    Cursor,
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    FolderTreeReadingMode,
    Message,
    MessageChange,
    MessageNotFoundByIdResult,
    MessageRemovedFromFolder,
    MessageToFetchById,
    PlacementOrFlagChange,
    RemoteId,
)
from mailsync.providers.gmail.labels import (
    ALL_MAIL_FOLDER_ID,
    LABEL_IDS_EXCLUDED_FROM_ALL_MAIL,
    to_folder_ids,
)
from mailsync.providers.gmail.provider import GmailMailbox
from mailsync.providers.retry_budget import RetryBudget

FEED = FeedRef(FeedId(1))
State = tuple[frozenset[str], bool, bool, str]
"""The folders of a message, whether it is read and starred, and its importance."""


def open_gmail(simulators: Simulators, mailbox: Mailbox) -> GmailMailbox:
    """A client of the mailbox that never sleeps."""
    token = simulators.gmail.tokens.issue_token(mailbox.user_id)
    access = FixedAccessTokenSource(AccessToken(token, datetime.now(UTC) + timedelta(hours=1)))
    budget = RetryBudget(sleep=lambda _: None)
    return GmailMailbox(base_url=simulators.gmail_url, access=access, ca_bundle=None, budget=budget)


def states_of(simulated: SimulatedMailbox) -> dict[str, State]:
    """The state of each message of the mailbox but its chats."""
    found = {
        each.id: {*map(RemoteId, each.label_ids)}
        for each in simulated.list_every_message_newest_first()
    }
    return {
        each: (
            frozenset(to_folder_ids(labels)),
            "UNREAD" not in labels,
            "STARRED" in labels,
            "high" if "IMPORTANT" in labels else "normal",
        )
        for each, labels in found.items()
        if "CHAT" not in labels
    }


class GmailReplica:
    """Applies pages as the product does: a message that is not known is fetched by its id."""

    def __init__(self, provider: GmailMailbox) -> None:
        self.provider = provider
        self.states: dict[str, State] = {}
        self.cursor: Cursor | None = None

    def read_on(self, *, limit: int = 100) -> None:
        """Read to the end of a full sync or a round, and then of a round that is empty."""
        has_more = True
        while has_more:
            page = self.provider.fetch_feed_page(FEED, self.cursor, limit=limit)
            self._apply(page.changes)
            self.cursor = page.next_cursor
            has_more = page.has_more or bool(page.changes)

    def compared_states(self) -> dict[str, State]:
        """The states that the lists of all folders give, without a request for a message."""
        folders = self.provider.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS).folders
        lists = {
            each.remote_id: self.provider.list_folder_messages(
                FolderRef(FolderId(1), each.remote_id)
            )
            for each in folders
        }
        assert all(each.is_complete for name, each in lists.items() if name != ALL_MAIL_FOLDER_ID)
        flags = {
            entry.remote_id: (bool(entry.is_read), bool(entry.is_flagged), str(entry.importance))
            for name in (ALL_MAIL_FOLDER_ID, *LABEL_IDS_EXCLUDED_FROM_ALL_MAIL)
            for entry in lists[name].messages
        }
        places = {
            each: frozenset(name for name, found in lists.items() if each in ids_of(found.messages))
            for each in flags
        }
        return {each: (places[each], *flags[each]) for each in flags}

    def _apply(self, changes: Iterable[MessageChange]) -> None:
        unknown: list[RemoteId] = []
        for change in changes:
            if isinstance(change, MessageRemovedFromFolder):
                self.states.pop(change.remote_id, None)
                continue
            assert isinstance(change, PlacementOrFlagChange | MessageToFetchById)
            known = self.states.get(change.remote_id)
            if known is None or isinstance(change, MessageToFetchById):
                unknown.append(change.remote_id)
            else:
                self.states[change.remote_id] = _changed(known, change)
        for message in self.provider.fetch_messages(unknown):
            assert isinstance(message, Message | MessageNotFoundByIdResult), message
            if isinstance(message, Message):
                folders = frozenset(message.folder_remote_ids)
                flags = message.is_read, message.is_flagged, message.importance
                self.states[message.remote_id] = (folders, *flags)


def ids_of(messages: Iterable[object]) -> frozenset[str]:
    return frozenset(getattr(each, "remote_id", "") for each in messages)


def _changed(state: State, change: PlacementOrFlagChange) -> State:
    folders, is_read, is_flagged, importance = state
    labels = (folders - {*change.removed_folder_remote_ids, ALL_MAIL_FOLDER_ID}) | {
        *change.added_folder_remote_ids
    }
    return (
        frozenset(to_folder_ids(map(RemoteId, labels))),
        is_read if change.is_read is None else change.is_read,
        is_flagged if change.is_flagged is None else change.is_flagged,
        change.importance or importance,
    )
