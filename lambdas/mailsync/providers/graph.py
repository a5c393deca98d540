"""A Microsoft 365 mailbox through Microsoft Graph.

There is one chain of changes per folder and none of the whole mailbox; `Cursor` is the link to
its next page. `$top` never appears on such a chain: there it cuts the history instead of the page
(microsoft-graph-docs #7946).

Exchange keeps the state of a chain in the mailbox itself, so a full mailbox cannot have one
(Microsoft Graph docs, "mailFolder: delta"): its folders are walked by plain lists, whole in each
run, until a chain can be begun again.

Sources: Microsoft Graph docs, "Get incremental changes to messages in a folder", "Combine
multiple HTTP requests using JSON batching".
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from mailsync.errors import CursorExpired, MailsyncError, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import (
    Cursor,
    FolderId,
    FolderRef,
    Gone,
    Message,
    Page,
    RemoteEntry,
    RemoteFolder,
    RemoteId,
    Role,
    Unreadable,
)
from mailsync.providers import AccessSource
from mailsync.providers.graph_cursor import LISTED, Link, is_chain, link_of
from mailsync.providers.graph_errors import (
    QUOTA_EXCEEDED,
    TOO_LARGE,
    UNREADABLE,
    Answer,
    Asked,
    refusal,
)
from mailsync.providers.graph_folders import read_folders
from mailsync.providers.graph_http import GraphClient, mailbox_path, read_list
from mailsync.providers.graph_messages import SELECTED, read_change, read_id, read_message
from mailsync.providers.patience import Patience

LIST_PAGE = 1000
"""The largest page of a plain list (Microsoft Graph docs, "List messages")."""


class GraphMailbox:
    """See `MailProvider`. Requests go out one after another, so one object uses one slot.

    `user` is the mailbox owner's id or address; None stands for whom the access token names,
    and an application's own token names nobody.
    """

    def __init__(
        self,
        *,
        base_url: str,
        access: AccessSource,
        ca_bundle: str | None,
        user: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.requests = 0
        self._graph = GraphClient(
            base_url=base_url,
            mailbox=mailbox_path(user),
            access=access,
            ca_bundle=ca_bundle,
            patience=patience or Patience(),
            on_request=self._count,
        )

    def close(self) -> None:
        self._graph.close()

    def list_folders(self, known_roles: Mapping[RemoteId, Role]) -> Sequence[RemoteFolder]:
        return read_folders(self._graph, known_roles)

    def fetch_page(self, folder: FolderRef, cursor: Cursor | None, *, limit: int) -> Page:
        if cursor is None:
            return self._first_page(folder, limit)
        link = link_of(cursor)
        answer = self._get(link.path, Asked.CURSOR, page_size=limit)
        if limit == 1 and self._leads_to(answer, link):
            raise CursorExpired(
                "A page link leads to itself, whatever the page size; walking again."
            )
        return self._page(link, answer)

    def probe(
        self, positions: Sequence[tuple[FolderRef, Cursor | None]], *, limit: int
    ) -> Mapping[FolderId, Page]:
        links = {
            folder.id: link_of(cursor) if cursor else self._chain_of(folder)
            for folder, cursor in positions
            if cursor is None or is_chain(cursor)
        }
        paths = [each.path for each in links.values()]
        answers = self._graph.get_batch(paths, page_size=limit)
        pages = {}
        for (folder_id, link), answer in zip(links.items(), answers, strict=True):
            try:
                if not answer.ok:
                    raise refusal(answer, Asked.CURSOR)
                pages[folder_id] = self._page(link, answer)
            except MailsyncError as failure:
                logger.info("folder_not_probed", folder_id=folder_id, cause=type(failure).__name__)
        return pages

    def list_ids(self, folder: FolderRef) -> Iterable[RemoteEntry]:
        """Each id once: pages of a list shift when mail arrives, and then one shows up again."""
        path: str | None = f"{self._messages(folder)}?$select=id,isRead&$top={LIST_PAGE}"
        entries: dict[RemoteId, RemoteEntry] = {}
        seen: set[str] = set()
        while path:
            if path in seen:
                raise _same_link()
            seen.add(path)
            answer = self._get(path, Asked.FOLDER)
            for item in read_list(answer, "value"):
                remote_id = read_id(item)
                entries[remote_id] = RemoteEntry(remote_id, item.get("isRead") is True)
            link = answer.body.get("@odata.nextLink")
            path = self._graph.path_of(link) if link else None
        return entries.values()

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | Gone | Unreadable]:
        """Graph works on four items of a batch at once: all that a mailbox may have in flight."""
        paths = [self._message_path(each) for each in ids]
        if one_by_one:
            answers = [self._graph.get(each) for each in paths]
        else:
            batch = zip(paths, self._graph.get_batch(paths), strict=True)
            answers = [
                self._graph.get(path) if answer.status == TOO_LARGE else answer
                for path, answer in batch
            ]
        return [_message(*each) for each in zip(ids, answers, strict=True)]

    def _count(self) -> None:
        self.requests += 1

    def _get(self, path: str, asked: Asked, *, page_size: int | None = None) -> Answer:
        answer = self._graph.get(path, page_size=page_size)
        if not answer.ok:
            raise refusal(answer, asked)
        return answer

    def _first_page(self, folder: FolderRef, limit: int) -> Page:
        link = self._chain_of(folder)
        answer = self._graph.get(link.path, page_size=limit)
        if answer.code == QUOTA_EXCEEDED:
            order = "$orderby=receivedDateTime%20desc"
            path = f"{self._messages(folder)}?$select={SELECTED}&{order}&$top={limit}"
            link, answer = Link(path, is_list=True), self._graph.get(path)
        if not answer.ok:
            raise refusal(answer, Asked.FOLDER)
        return self._page(link, answer)

    def _page(self, link: Link, answer: Answer) -> Page:
        changes = tuple(read_change(each) for each in read_list(answer, "value"))
        more, last = (answer.body.get(f"@odata.{name}") for name in ("nextLink", "deltaLink"))
        if self._leads_to(answer, link):
            raise _same_link()
        if more or last:
            following = Link(self._graph.path_of(more or last), link.is_list)
            return Page(changes, following.cursor, has_more=bool(more))
        if link.is_list:
            return Page(changes, LISTED, has_more=False, is_final=True)
        raise ProviderUnavailable("Microsoft Graph sent a page without a link; trying again.")

    def _chain_of(self, folder: FolderRef) -> Link:
        return Link(f"{self._messages(folder)}/delta?$select={SELECTED}")

    def _messages(self, folder: FolderRef) -> str:
        return f"{self._graph.mailbox}/mailFolders/{quote(folder.remote_id, safe='')}/messages"

    def _message_path(self, remote_id: RemoteId) -> str:
        return f"{self._graph.mailbox}/messages/{quote(remote_id, safe='')}?$select={SELECTED}"

    def _leads_to(self, answer: Answer, link: Link) -> bool:
        more = answer.body.get("@odata.nextLink")
        return more is not None and self._graph.path_of(more) == link.path


def _same_link() -> ProviderUnavailable:
    return ProviderUnavailable("Microsoft Graph sent the same page link twice; trying again.")


def _message(remote_id: RemoteId, answer: Answer) -> Message | Gone | Unreadable:
    if answer.ok:
        message = read_message(answer.body)
        if message.remote_id == remote_id:
            return message
        return Unreadable(remote_id, "other_id", "Microsoft Graph answers with another id.")
    if answer.code in UNREADABLE:
        cause = UNREADABLE[answer.code]
        return Unreadable(remote_id, cause, f"Microsoft Graph answers {answer.code}.")
    if answer.status == 404 and answer.code == "ErrorItemNotFound":
        return Gone(remote_id)
    raise refusal(answer, Asked.MAILBOX)
