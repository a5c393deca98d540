"""The folder tree of a Microsoft 365 mailbox, all levels of it.

A list of folders holds one level only (Microsoft Graph docs, "List mailFolders"), so the tree is
read level by level.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from mailsync.errors import ProviderUnavailable
from mailsync.model import RemoteFolder, RemoteId, Role
from mailsync.providers.graph_errors import Answer, Asked, refusal
from mailsync.providers.graph_http import GraphClient, read_list
from mailsync.providers.graph_messages import read_id

Json = Mapping[str, Any]

_FIRST_PAGE = "?includeHiddenFolders=true&$top=250"
_SEARCH_FOLDER = "#microsoft.graph.mailSearchFolder"
# Graph v1.0 does not say a folder's role, and its name is in the user's language.
_ALIASES = {
    "inbox": Role.INBOX,
    "sentitems": Role.SENT,
    "drafts": Role.DRAFTS,
    "deleteditems": Role.TRASH,
    "junkemail": Role.JUNK,
    "archive": Role.ARCHIVE,
    "outbox": Role.OUTBOX,
}


def read_folders(
    graph: GraphClient, known_roles: Mapping[RemoteId, Role]
) -> tuple[RemoteFolder, ...]:
    """Every folder but search folders.

    The keys of `known_roles` are the folders that were there before: the children of all of them
    are asked for at once, and level by level only those of folders that are new.
    """
    entries = dict(_walk(graph, known_roles.keys()))
    roles = known_roles if entries.keys() <= known_roles.keys() else _read_roles(graph)
    return tuple(
        RemoteFolder(
            remote_id=remote_id,
            # The root of the tree is no entry of it.
            parent_remote_id=parent if (parent := entry.get("parentFolderId")) in entries else None,
            display_name=str(entry.get("displayName") or ""),
            role=roles.get(remote_id, Role.OTHER),
            total=_count(entry, "totalItemCount"),
            unread=_count(entry, "unreadItemCount"),
            hidden=entry.get("isHidden") is True,
        )
        for remote_id, entry in entries.items()
    )


def _walk(graph: GraphClient, known: Collection[RemoteId]) -> Iterator[tuple[RemoteId, Json]]:
    """One request per 20 pages of a level; what is known counts as the first level."""
    top = f"{graph.mailbox}/mailFolders{_FIRST_PAGE}"
    answers = (
        graph.get_batch([top, *(_children(graph, each) for each in known)])
        if known
        else [graph.get(top)]
    )
    if not answers[0].ok:
        raise refusal(answers[0], Asked.MAILBOX)
    answers = [each for each in answers if not _is_gone(each)]
    while answers:
        paths = []
        for answer in answers:
            for entry in _entries(answer):
                remote_id = read_id(entry)
                yield remote_id, entry
                if remote_id not in known:
                    paths.append(_children(graph, remote_id))
            if link := answer.body.get("@odata.nextLink"):
                paths.append(graph.path_of(link))
        # A parent that was deleted meanwhile has no children to miss.
        answers = [each for each in graph.get_batch(paths) if not _is_gone(each)]


def _children(graph: GraphClient, remote_id: RemoteId) -> str:
    """All folders are asked for theirs, since `childFolderCount` may leave out hidden ones."""
    folder = f"{graph.mailbox}/mailFolders/{quote(remote_id, safe='')}"
    return f"{folder}/childFolders{_FIRST_PAGE}"


def _entries(answer: Answer) -> list[Json]:
    if not answer.ok:
        raise refusal(answer, Asked.FOLDER)
    return [
        each for each in read_list(answer, "value") if each.get("@odata.type") != _SEARCH_FOLDER
    ]


def _is_gone(answer: Answer) -> bool:
    return answer.status == 404 and answer.code == "ErrorItemNotFound"


def _read_roles(graph: GraphClient) -> dict[RemoteId, Role]:
    """An alias of a folder that the mailbox does not have is answered with 404."""
    paths = [f"{graph.mailbox}/mailFolders/{alias}?$select=id" for alias in _ALIASES]
    roles = {}
    for role, answer in zip(_ALIASES.values(), graph.get_batch(paths), strict=True):
        if answer.ok:
            roles[read_id(answer.body)] = role
        elif answer.status != 404:
            raise refusal(answer, Asked.MAILBOX)
    return roles


def _count(entry: Json, name: str) -> int:
    count = entry.get(name)
    if not isinstance(count, int):
        raise ProviderUnavailable(f"Microsoft Graph sent a folder without {name}; trying again.")
    return count
