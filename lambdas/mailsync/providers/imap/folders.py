"""Convert the server's list of folders. Pure functions."""

from collections.abc import Mapping, Sequence

from imapclient.imap_utf7 import decode as decode_modified_utf7

from mailsync.model import RemoteFolder, Role
from mailsync.providers.imap.connection import ListedFolder
from mailsync.providers.imap.ids import folder_id

_UNSELECTABLE = frozenset({"\\noselect", "\\nonexistent"})
_SPECIAL_USE = {
    "\\sent": Role.SENT,
    "\\drafts": Role.DRAFTS,
    "\\trash": Role.TRASH,
    "\\junk": Role.JUNK,
    "\\archive": Role.ARCHIVE,
}
"""RFC 6154. Servers send these attributes without the capability as well (IMAPClient #517)."""
_USUAL_NAMES = {
    "sent": Role.SENT,
    "sent items": Role.SENT,
    "sent messages": Role.SENT,
    "drafts": Role.DRAFTS,
    "trash": Role.TRASH,
    "deleted items": Role.TRASH,
    "deleted messages": Role.TRASH,
    "junk": Role.JUNK,
    "spam": Role.JUNK,
    "archive": Role.ARCHIVE,
}
_INBOX = b"INBOX"


def is_selectable(folder: ListedFolder) -> bool:
    return not folder.flags & _UNSELECTABLE


def to_remote_folders(
    listed: Sequence[ListedFolder], statuses: Mapping[bytes, Mapping[str, int]]
) -> tuple[RemoteFolder, ...]:
    """Return the folders that can hold mail, with their counts.

    A folder that cannot hold mail is left out; its children are then named by their whole path
    below the next folder that can. Children of the inbox stand at the top: many servers keep all
    folders below it (RFC 2342).

    statuses: the numbers of the folders that have been read; a folder without numbers is uncounted.
    """
    names = {each.name for each in listed if is_selectable(each)}
    roles = _roles([each for each in listed if is_selectable(each)])
    return tuple(
        _to_remote_folder(each, names, roles, statuses.get(each.name, {}))
        for each in listed
        if is_selectable(each)
    )


def is_inbox(name: bytes) -> bool:
    """Return whether the name is that of the inbox, in any case (RFC 3501, section 5.1)."""
    return name.upper() == _INBOX


def _to_remote_folder(
    folder: ListedFolder,
    names: set[bytes],
    roles: Mapping[bytes, Role],
    status: Mapping[str, int],
) -> RemoteFolder:
    parent, name = _split(folder, names)
    return RemoteFolder(
        remote_id=folder_id(folder.name),
        parent_remote_id=folder_id(parent) if parent else None,
        display_name=_display(name),
        role=roles.get(folder.name, Role.OTHER),
        total=status.get("MESSAGES"),
        unread=status.get("UNSEEN"),
    )


def _split(folder: ListedFolder, names: set[bytes]) -> tuple[bytes | None, bytes]:
    """Return the nearest folder above this one, and the name below it."""
    if folder.separator is None:
        return None, folder.name
    parts = folder.name.split(folder.separator)
    for length in range(len(parts) - 1, 0, -1):
        above, below = (folder.separator.join(each) for each in (parts[:length], parts[length:]))
        if is_inbox(above):
            return None, below
        if above in names:
            return above, below
    return None, folder.name


def _roles(listed: Sequence[ListedFolder]) -> Mapping[bytes, Role]:
    """Return the roles by name, each role once: special use counts more than a usual name."""
    roles = {each.name: Role.INBOX for each in listed if is_inbox(each.name)}
    for of in (_special_use, _usual_name):
        for each in listed:
            role = of(each)
            if role and each.name not in roles and role not in roles.values():
                roles[each.name] = role
    return roles


def _special_use(folder: ListedFolder) -> Role | None:
    return next((_SPECIAL_USE[each] for each in folder.flags if each in _SPECIAL_USE), None)


def _usual_name(folder: ListedFolder) -> Role | None:
    last = folder.name.split(folder.separator)[-1] if folder.separator else folder.name
    return _USUAL_NAMES.get(_display(last).lower())


def _display(name: bytes) -> str:
    try:
        return str(decode_modified_utf7(name))
    except (ValueError, LookupError):
        return name.decode("utf-8", "replace")
