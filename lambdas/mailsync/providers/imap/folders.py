"""Convert the server's list of folders into folders of Mailsync. Pure functions."""

import re
from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence

from mailsync.model import RemoteFolder, Role
from mailsync.providers.imap.ids import to_folder_id
from mailsync.providers.imap.listing import ListedFolder, is_inbox

_ENCODED = re.compile(r"&([A-Za-z0-9+,]*)-")
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


def to_remote_folders(
    listed: Sequence[ListedFolder],
    statuses: Mapping[bytes, Mapping[str, int]],
    prefixes: Collection[bytes] = (),
) -> tuple[RemoteFolder, ...]:
    """Return the folders with their counts, names and parents.

    A folder that cannot hold mail is not in `listed`. If such a folder is between two listed
    folders, the display name of the lower folder contains the name of the missing folder: if only
    `a` and `a/b/c` are listed, `a/b/c` is shown as `b/c` below `a`. Children of the inbox are shown
    at the top level, because many servers keep all folders below the inbox (RFC 2342).

    listed: the folders that can hold mail.
    statuses: STATUS values by folder name. The counts of a folder without values are None.
    prefixes: beginnings of folder names, such as `[Gmail]/`, which the display names omit.
    """
    names = {each.name for each in listed}
    roles = _roles(listed)
    return tuple(
        _to_remote_folder(each, _split(each, names, prefixes), roles, statuses.get(each.name, {}))
        for each in listed
    )


def _to_remote_folder(
    folder: ListedFolder,
    place: tuple[bytes | None, bytes],
    roles: Mapping[bytes, Role],
    status: Mapping[str, int],
) -> RemoteFolder:
    parent, name = place
    return RemoteFolder(
        remote_id=to_folder_id(folder.name),
        parent_remote_id=to_folder_id(parent) if parent else None,
        display_name=_display(name),
        role=roles.get(folder.name, Role.OTHER),
        message_count=_count(status.get("MESSAGES")),
        unread_message_count=_count(status.get("UNSEEN")),
    )


def _count(number: int | None) -> int | None:
    return number if number is not None and number < 2**31 else None


def _split(
    folder: ListedFolder, names: set[bytes], prefixes: Collection[bytes]
) -> tuple[bytes | None, bytes]:
    """Return the nearest listed folder above this one, and the rest of the name. None as the folder
    above: this folder is shown at the top level."""
    name, end = folder.name, len(folder.name)
    while folder.separator and (end := name.rfind(folder.separator, 0, end)) > 0:
        above, below = name[:end], name[end + 1 :]
        if below and (is_inbox(above) or name[: end + 1] in prefixes):
            return None, below
        if below and above in names:
            return above, below
    return None, name


def _roles(listed: Sequence[ListedFolder]) -> Mapping[bytes, Role]:
    """Return the role of each folder that has a role, by folder name. No two folders have the same
    role: a folder with a special-use attribute precedes a folder with a usual name, and among
    several such folders the first in the alphabet gets the role."""
    listed = sorted(listed, key=lambda each: each.name)
    roles = {each.name: Role.INBOX for each in listed if is_inbox(each.name)}
    for of in (_special_use, _usual_name):
        for each in listed:
            role = of(each)
            if role and each.name not in roles and role not in roles.values():
                roles[each.name] = role
    return roles


def _special_use(folder: ListedFolder) -> Role | None:
    return next((_SPECIAL_USE[each] for each in folder.attributes if each in _SPECIAL_USE), None)


def _usual_name(folder: ListedFolder) -> Role | None:
    last = folder.name.split(folder.separator)[-1] if folder.separator else folder.name
    return _USUAL_NAMES.get(_display(last).lower())


def _display(name: bytes) -> str:
    """Return a name for people, decoded from modified UTF-7 (RFC 3501, section 5.1.3) and UTF-8.
    Malformed UTF-7 is shown as it stands. Invalid UTF-8 becomes U+FFFD."""
    return _ENCODED.sub(_decoded, name.decode("utf-8", "replace"))


def _decoded(part: re.Match[str]) -> str:
    if not part[1]:
        return "&"
    try:
        padded = part[1].replace(",", "/") + "=" * (-len(part[1]) % 4)
        return b64decode(padded, validate=True).decode("utf-16-be")
    except ValueError:
        return part[0]
