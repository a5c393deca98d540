"""Name the folders of a simulated mailbox as an IMAP server does: with a prefix and a separator."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from localdev.simulators.folders import Folder
from localdev.simulators.imap.options import GMAIL_CAPABILITY, ImapOptions

INBOX = "INBOX"
_SPECIAL_USE = {
    "drafts": "\\Drafts",
    "sent": "\\Sent",
    "trash": "\\Trash",
    "archive": "\\Archive",
    "junk": "\\Junk",
}
"""Attribute of RFC 6154 for the role of a folder."""


_GMAIL_SPECIAL_USE = {**_SPECIAL_USE, "archive": "\\All"}
_GMAIL_NAMES = {
    "drafts": "[Gmail]/Drafts",
    "sent": "[Gmail]/Sent Mail",
    "trash": "[Gmail]/Trash",
    "archive": "[Gmail]/All Mail",
    "junk": "[Gmail]/Spam",
}


@dataclass(frozen=True, slots=True)
class ImapFolder:
    """A folder and its full IMAP name, which is unique in the mailbox.

    special_use: the folder's special-use attribute (RFC 6154), such as `\\Sent`; LIST returns it if
        the client asks for SPECIAL-USE. None: the folder has no special use.
    always_listed_attributes: other attributes of the folder, which LIST always returns, such as
        `\\Noselect`.
    """

    name: str
    simulated_folder: Folder
    has_children: bool
    special_use: str | None = None
    always_listed_attributes: tuple[str, ...] = ()

    def list_response_attributes(self, returned: Collection[str]) -> tuple[str, ...]:
        """Return the folder's attributes in a LIST response.

        returned: the return options of the command. CHILDREN adds `\\HasChildren` or
            `\\HasNoChildren`, and SPECIAL-USE adds `special_use`.
        """
        children = "\\HasChildren" if self.has_children else "\\HasNoChildren"
        wanted = {"CHILDREN": children, "SPECIAL-USE": self.special_use}
        found = (text for option, text in wanted.items() if text and option in returned)
        return (*self.always_listed_attributes, *found)


def to_imap_folders(folders: Iterable[Folder], options: ImapOptions) -> list[ImapFolder]:
    """Return all folders but search folders with their full IMAP names: INBOX first, the others in
    alphabetical order."""
    by_number = {each.number: each for each in folders if each.search_filter is None}
    named: dict[str, Folder] = {}
    for folder in by_number.values():
        path = list(_path(folder, by_number))
        named[_unique(_joined(path, options), named.keys())] = folder
    # The names decide, not the tree: with the prefix `INBOX.` all folders are children of INBOX.
    parents = {name.rpartition(options.separator)[0] for name in named}
    uses = _GMAIL_SPECIAL_USE if options.has_extension(GMAIL_CAPABILITY) else _SPECIAL_USE
    return [
        ImapFolder(name, named[name], name in parents, uses.get(named[name].role))
        for name in sorted(named, key=lambda name: (name != INBOX, name))
    ]


def capitalize_inbox(name: str, separator: str) -> str:
    """Return a folder's name with the first level in capitals if that level is INBOX in any case:
    `inbox/Work` becomes `INBOX/Work` (RFC 3501). Return other names unchanged."""
    first, found, rest = name.partition(separator)
    return f"{INBOX}{found}{rest}" if first.upper() == INBOX else name


def matches_list_pattern(name: str, pattern: str, separator: str) -> bool:
    """Return whether a pattern of LIST matches a folder's name. `*` matches any text; `%` matches
    text without a separator.

    The run time is at most proportional to the square of the name's length. With a regular
    expression, the run time could grow exponentially.
    """
    ends = {0}
    for part in re.findall(r"[*%]+|[^*%]+", capitalize_inbox(pattern, separator)):
        if "*" in part:
            ends = set(range(min(ends), len(name) + 1))
        elif "%" in part:
            ends = {end for start in ends for end in _level_ends(name, start, separator)}
        else:
            ends = {start + len(part) for start in ends if name.startswith(part, start)}
        if not ends:
            return False
    return len(name) in ends


def _level_ends(name: str, start: int, separator: str) -> range:
    """Return the positions from `start` to the next separator, or to the end of the name."""
    end = name.find(separator, start)
    return range(start, (len(name) if end < 0 else end) + 1)


def _path(folder: Folder, by_number: dict[int, Folder]) -> Iterator[Folder]:
    if folder.parent is not None and folder.parent in by_number:
        yield from _path(by_number[folder.parent], by_number)
    yield folder


def _joined(path: list[Folder], options: ImapOptions) -> str:
    if options.has_extension(GMAIL_CAPABILITY) and len(path) == 1 and path[0].role in _GMAIL_NAMES:
        return _GMAIL_NAMES[path[0].role]
    if path[0].role == "inbox":
        return options.separator.join([INBOX, *(_level(each, options) for each in path[1:])])
    return options.prefix + options.separator.join(_level(each, options) for each in path)


def _level(folder: Folder, options: ImapOptions) -> str:
    """Return a folder's own name as one level of its full name, with `_` in place of each
    separator."""
    return folder.name.replace(options.separator, "_") or "_"


def _unique(name: str, taken: Iterable[str]) -> str:
    used, found, number = set(taken), name, 1
    while found in used or (found.upper() == INBOX and found != INBOX):
        number += 1
        found = f"{name} {number}"
    return found
