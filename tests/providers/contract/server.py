"""What a provider brings to its contract: a running server in front of a neutral mailbox."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from localdev.simulators.folders import FolderNumberOrRole
from localdev.simulators.mailbox import Mailbox
from mailsync.model import (
    AccessToken,
    Cursor,
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    Message,
    MessageChange,
    MessageNotFoundByIdResult,
    MessageRemovedFromFolder,
    MessageStateUpsert,
    MessageToFetchById,
    Page,
    PlacementOrFlagChange,
    RemoteFolder,
    RemoteId,
    Upsert,
)
from mailsync.providers import MailProvider
from tests.support.comparison import ProviderForm, Things, folders_in, in_mailbox

Malformation = Literal["another protocol", "half an answer", "cut off", "closed"]
NAMED = MessageToFetchById | PlacementOrFlagChange | MessageRemovedFromFolder | MessageStateUpsert
LISTED_FLAGS = ("is_read", "is_flagged", "importance")
PAGE = 5
MAX_PAGES = 50


class CountingAccess(Protocol):
    """An `AccessTokenSource` that counts its renewals."""

    renewed: int

    def get_current_token(self) -> AccessToken: ...
    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken: ...


class ContractServer(Protocol):
    """One provider's server, and a client of it that never sleeps.

    `mailbox` is what the server serves, in `form`; `provider` gets its tokens from `access`. What
    the methods do lasts until `recover`.
    """

    mailbox: Mailbox
    form: ProviderForm
    provider: MailProvider
    access: CountingAccess

    def throttle(self, pause_s: float) -> None:
        """Refuse every request with a pause that the provider asks for."""
        ...

    def fail(self) -> None:
        """Refuse every request as a server that is out of order does."""
        ...

    def malform(self, how: Malformation) -> None:
        """Answer every request with something that is no answer."""
        ...

    def withdraw_token(self, *, for_ever: bool = False) -> None:
        """Refuse the present token, and those that follow it if it is for ever."""
        ...

    def recover(self) -> None: ...


def reference(server: ContractServer, folder: FolderNumberOrRole) -> FolderRef:
    number = server.mailbox.folders.find_folder(folder).number
    return FolderRef(FolderId(number), RemoteId(server.form.folder_id(number)))


def feed_of(server: ContractServer, folder: FolderNumberOrRole) -> FeedRef:
    """The feed that reports the changes of a folder: its own, or that of the mailbox."""
    if not server.provider.provider_traits.has_feed_per_folder:
        return FeedRef(FeedId(0))
    ref = reference(server, folder)
    return FeedRef(FeedId(ref.id), ref)


def feeds(server: ContractServer) -> set[FeedRef]:
    """The feeds of the folders that exist now."""
    folders = server.mailbox.folders.list_all_folders()
    return {feed_of(server, each.number) for each in folders if each.search_filter is None}


def read_round(server: ContractServer, feed: FeedRef, cursor: Cursor | None) -> list[Page]:
    """The pages of a round, from the cursor to the page without more."""
    pages: list[Page] = []
    while not pages or pages[-1].has_more:
        assert len(pages) < MAX_PAGES, "the round does not end"
        pages.append(server.provider.fetch_feed_page(feed, cursor, limit=PAGE))
        cursor = pages[-1].next_cursor
    return pages


@dataclass
class Replica:
    """What a client knows that reads every feed, and asks by id for what a feed leaves open.

    A message that is readable by its id and in none of the mailbox's folders counts as gone.
    """

    server: ContractServer
    messages: dict[RemoteId, Message] = field(default_factory=dict)
    cursors: dict[FeedRef, Cursor] = field(default_factory=dict)

    def read_on(self) -> None:
        """Read a round of each feed that exists now, on from where the last one ended."""
        for feed in sorted(feeds(self.server), key=lambda feed: feed.id):
            pages = read_round(self.server, feed, self.cursors.get(feed))
            for page in pages:
                self.take(
                    (*page.changes, *filter(self._is_news, page.possibly_changed_message_states))
                )
                if page.remote_ids_of_all_messages_of_feed is not None:
                    self._keep(feed, page.remote_ids_of_all_messages_of_feed)
            if feed not in self.cursors:
                self._keep(feed, frozenset(each.remote_id for each in changes_of(pages)))
            if any(page.has_only_message_ids for page in pages):
                self.compare_folders()
            self.cursors[feed] = pages[-1].next_cursor

    def compare_ids(self) -> None:
        """Compare the ids of each folder, and ask for those in which the replica differs."""
        listed: set[RemoteId] = set()
        for folder in self.server.mailbox.folders.list_all_folders():
            listing = self.server.provider.list_folder_messages(
                reference(self.server, folder.number)
            )
            listed |= {entry.remote_id for entry in listing.messages}
        self._ask(listed ^ self.messages.keys())

    def compare_folders(self) -> None:
        """Take placements and flags of known messages from the lists of all folders: a full sync
        that lists ids names no others."""
        places, flags = dict[RemoteId, set[RemoteId]](), dict[RemoteId, dict[str, Any]]()
        for folder in self.server.mailbox.folders.list_all_folders():
            ref = reference(self.server, folder.number)
            for entry in self.server.provider.list_folder_messages(ref).messages:
                places.setdefault(entry.remote_id, set()).add(ref.remote_id)
                named = flags.setdefault(entry.remote_id, {})
                listed = {name: getattr(entry, name) for name in LISTED_FLAGS}
                named |= {name: it for name, it in listed.items() if it is not None}
        for known in [self.messages[each] for each in places if each in self.messages]:
            folders = self._in_order(places[known.remote_id])
            found = replace(known, **flags[known.remote_id], folder_remote_ids=folders)
            self.messages[known.remote_id] = found

    def shows_the_mailbox(self) -> bool:
        """Shows the difference when it is asserted."""
        shown = {key: fields_of(message) for key, message in self.messages.items()}
        held = in_mailbox(self.server.mailbox, self.server.form)
        compared = {name for fields in held.values() for name in fields}
        shown = {
            key: {name: it for name, it in fields.items() if name in compared}
            for key, fields in shown.items()
        }
        assert shown == held
        return True

    def take(self, changes: Iterable[MessageChange]) -> None:
        for change in changes:
            known = self.messages.get(change.remote_id)
            if isinstance(change, Upsert):
                self.messages[change.message.remote_id] = change.message
            elif isinstance(change, MessageStateUpsert) and known:
                self.messages[known.remote_id] = _with_state(known, change)
            elif isinstance(change, PlacementOrFlagChange) and known:
                self.messages[known.remote_id] = self._placed(known, change)
            else:
                assert isinstance(change, NAMED), change
                self._ask({change.remote_id})

    def _placed(self, known: Message, change: PlacementOrFlagChange) -> Message:
        fields = {name: getattr(change, name) for name in LISTED_FLAGS}
        folders = {*known.folder_remote_ids, *change.added_folder_remote_ids} - {
            *change.removed_folder_remote_ids
        }
        if all_mail := self.server.provider.provider_traits.all_mail_folder_id:
            outside = {RemoteId(self.server.form.folder_id(each)) for each in ("trash", "junk")}
            folders = folders - {all_mail} | (set() if folders & outside else {all_mail})
        given = {name: it for name, it in fields.items() if it is not None}
        return replace(known, **given, folder_remote_ids=self._in_order(folders))

    def _in_order(self, folders: set[RemoteId]) -> tuple[RemoteId, ...]:
        """The folder of all mail, if the provider has one, comes last."""
        all_mail = self.server.provider.provider_traits.all_mail_folder_id
        return tuple(sorted(folders, key=lambda each: (each == all_mail, each)))

    def _is_news(self, compared: MessageStateUpsert) -> bool:
        known = self.messages.get(compared.remote_id)
        return known is None or known.remote_version != compared.state.remote_version

    def _keep(self, feed: FeedRef, listed: frozenset[RemoteId]) -> None:
        """Ask for messages of the feed's folder, or of the mailbox, that are not among all that the
        feed lists."""
        here = {
            each.remote_id
            for each in self.messages.values()
            if feed.folder is None or each.folder_remote_ids == (feed.folder.remote_id,)
        }
        self._ask(here - listed)

    def _ask(self, ids: set[RemoteId]) -> None:
        box, form = self.server.mailbox, self.server.form
        folders = {form.folder_id(folder.number) for folder in box.folders.list_all_folders()}
        found = self.server.provider.fetch_messages(sorted(ids))
        for remote_id, message in zip(sorted(ids), found, strict=True):
            if isinstance(message, Message) and folders & {*message.folder_remote_ids}:
                self.messages[remote_id] = message
            else:
                assert isinstance(message, Message | MessageNotFoundByIdResult), message
                self.messages.pop(remote_id, None)


def _with_state(known: Message, change: MessageStateUpsert) -> Message:
    fields = {name: it for name, it in asdict(change.state).items() if it is not None}
    folders = change.folder_remote_ids or known.folder_remote_ids
    return replace(known, **fields, folder_remote_ids=folders)


def changes_of(pages: Iterable[Page]) -> list[MessageChange]:
    return [change for page in pages for change in page.changes]


def fields_of(message: Message) -> dict[str, Any]:
    """The fields of a message by the names that `as_stored` has."""
    return {
        "folders": sorted(message.folder_remote_ids),
        "subject": message.subject,
        "internet id": message.internet_message_id,
        "conversation": message.conversation_id,
        "from": message.sender.address if message.sender else None,
        **{
            name: [asdict(address) for address in addresses]
            for name, addresses in {
                "to": message.to,
                "cc": message.cc,
                "bcc": message.bcc,
                "reply to": message.reply_to,
            }.items()
        },
        "preview": message.preview,
        "html": message.body_html,
        "text": message.body_text,
        "is read": message.is_read,
        "is draft": message.is_draft,
        "is flagged": message.is_flagged,
        "has attachments": message.has_attachments,
        "importance": message.importance,
        "categories": list(message.categories),
        "received at": _seconds(message.received_at),
        "sent at": _seconds(message.sent_at),
        "modified at": _seconds(message.modified_at),
        "web link": message.web_link,
    }


def folder_fields(folder: RemoteFolder) -> dict[str, object]:
    return {
        "name": folder.display_name,
        "parent": folder.parent_remote_id,
        "role": folder.role,
        "hidden": folder.is_hidden_at_provider,
        "total": folder.message_count,
        "unread": folder.unread_message_count,
    }


def listed_folders(server: ContractServer) -> Things:
    """The fields of the folders that the provider must list, by its ids."""
    folders = folders_in(server.mailbox, server.form)
    for each in folders.values():
        if each["role"] == server.form.uncounted:
            each |= {"total": None, "unread": None}
    return folders


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
