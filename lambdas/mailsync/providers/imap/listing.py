"""Parse what a server reports about its folders: the responses LIST, STATUS and NAMESPACE. Pure
functions.

Servers break the grammar of these responses more often than the grammar of other responses. If a
line cannot be read, only the folder of this line is missing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MAX_FOLDER_NAME_BYTES = 1_000
"""The maximum length of the name of a mirrored folder. The ids of the folder's messages contain
the name, and Postgres indexes at most some 2,700 bytes. Most servers limit names to 255
characters."""
INBOX_NAME = b"INBOX"
_LIST_LINE = re.compile(
    rb'\((?P<flags>[^)]*)\) +(?P<separator>NIL|"(?:\\?.)") +(?P<name>.+)', re.DOTALL | re.IGNORECASE
)
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_EXTENDED_DATA = re.compile(rb' \(\(?"?(?:CHILDINFO|OLDNAME)\b.*\Z', re.DOTALL | re.IGNORECASE)
_STATUS_ITEM = re.compile(rb"(?<![A-Za-z])([A-Za-z]{1,20}) (\d{1,18})(?!\d)")
_NAMESPACE_TOKEN = re.compile(rb'\(|\)|NIL|"(?:[^"\\]|\\.)*"', re.IGNORECASE)
_FORBIDDEN = re.compile(rb"[\0\r\n]")
_UNSELECTABLE = frozenset({"\\noselect", "\\nonexistent"})


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """A folder in the server's list.

    name: the name as the server sent it. The inbox has the name INBOX, however the server spells
        it.
    separator: character between a folder's name and the names of its children. None: the folder can
        have no children.
    attributes: the folder's attributes in lower case, such as `\\sent`.
    status_values: the folder's STATUS values by name: MESSAGES, UNSEEN, UIDNEXT, UIDVALIDITY and
        HIGHESTMODSEQ. Empty if the server did not send them with the list.
    """

    name: bytes
    separator: bytes | None = None
    attributes: frozenset[str] = frozenset()
    status_values: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_selectable(self) -> bool:
        """Return whether the folder can hold mail."""
        return not self.attributes & _UNSELECTABLE


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The prefixes of folder names (RFC 2342).

    personal_prefixes: prefixes of the folders of the mailbox's owner.
    prefixes_of_other_owners_folders: prefixes of folders that belong to other users or to several
        users.
    """

    personal_prefixes: tuple[bytes, ...] = ()
    prefixes_of_other_owners_folders: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class FolderList:
    """The folders that the server listed for a mailbox.

    own_folders: folders of the mailbox's owner.
    folder_names_of_other_owners: names of the folders that belong to other users or to several
        users.
    personal_prefixes: prefixes of the names of the owner's folders.
    unreadable_line_count: number of lines of the list that could not be parsed.
    """

    own_folders: tuple[ListedFolder, ...]
    folder_names_of_other_owners: frozenset[bytes] = frozenset()
    personal_prefixes: tuple[bytes, ...] = ()
    unreadable_line_count: int = 0


def parse_list_line(line: bytes) -> ListedFolder | None:
    """Return the folder in a line of the response to LIST. Return None if the line is malformed, or
    if the folder's name is longer than MAX_FOLDER_NAME_BYTES or cannot be sent back to the server.

    An unquoted name extends to the end of the line, because some servers send names with blanks
    unquoted (MailKit #945).
    """
    match = _LIST_LINE.fullmatch(line.strip(b" "))
    if match is None:
        return None
    flags = frozenset(each.decode("latin-1").lower() for each in match["flags"].split())
    name = _unquoted(_EXTENDED_DATA.sub(b"", match["name"]))
    if not name or len(name) > MAX_FOLDER_NAME_BYTES or _FORBIDDEN.search(name):
        return None
    separator = None if match["separator"].upper() == b"NIL" else match["separator"][-2:-1]
    return ListedFolder(INBOX_NAME if is_inbox(name) else name, separator, flags)


def parse_status_line(line: bytes) -> tuple[bytes, Mapping[str, int]]:
    """Return the folder's name in a response to STATUS, and the folder's values by name. Malformed
    values are left out."""
    name, _, items = line.strip().rpartition(b" (")
    name = _unquoted(name)
    values = {key.decode().upper(): int(number) for key, number in _STATUS_ITEM.findall(items)}
    return INBOX_NAME if is_inbox(name) else name, values


def to_folder_list(
    list_lines: Iterable[bytes], status_lines: Iterable[bytes], namespaces: Namespaces
) -> FolderList:
    """Return the folders of the responses to LIST and STATUS, each folder once."""
    statuses = dict(map(parse_status_line, status_lines))
    found: dict[bytes, ListedFolder] = {}
    unreadable = 0
    for line in list_lines:
        each = parse_list_line(line)
        if each is None:
            unreadable += 1
        elif each.name not in found or not found[each.name].is_selectable:
            status = statuses.get(each.name, {})
            found[each.name] = ListedFolder(each.name, each.separator, each.attributes, status)
    others = frozenset(each.name for each in found.values() if _is_of_others(each, namespaces))
    own = tuple(each for each in found.values() if each.name not in others)
    return FolderList(own, others, namespaces.personal_prefixes, unreadable)


def parse_namespaces(line: bytes) -> Namespaces:
    """Return the prefixes of folder names in a response to NAMESPACE: the prefixes of the owner's
    folders, and the prefixes of the folders of other users and of shared folders. Empty prefixes
    are left out."""
    groups: list[list[bytes]] = [[], [], []]
    depth = group = position = 0
    for token in _NAMESPACE_TOKEN.findall(line):
        if token == b"(":
            depth, position = depth + 1, 0
        elif token == b")":
            depth -= 1
            group += depth == 0
        elif depth == 0:
            group += 1
        elif depth == 2 and position == 0 and group < len(groups):
            groups[group].append(_unquoted(token))
            position = 1
    others = tuple(each for each in groups[1] + groups[2] if each and each not in groups[0])
    return Namespaces(tuple(each for each in groups[0] if each), others)


def _is_of_others(folder: ListedFolder, namespaces: Namespaces) -> bool:
    """Return whether the folder is in a namespace of other users, or is that namespace itself."""
    separator = folder.separator or b""
    return any(
        folder.name.startswith(prefix) or folder.name == prefix.removesuffix(separator)
        for prefix in namespaces.prefixes_of_other_owners_folders
    )


def is_inbox(name: bytes) -> bool:
    """Return whether this is the name of the inbox, in upper or lower case (RFC 3501, section
    5.1)."""
    return name.upper() == INBOX_NAME


def _unquoted(name: bytes) -> bytes:
    """Return a name without its quotes. A name whose quotes do not match is taken as it stands."""
    if match := _QUOTED.fullmatch(name):
        return re.sub(rb"\\(.)", rb"\1", match[1], flags=re.DOTALL)
    return name
