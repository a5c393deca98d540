"""Show the folders of a simulated mailbox as Gmail's labels.

A folder of the mailbox is a label. Its id is fixed for the folders with a role, and `Label_N` for
others. The folder `archive` stands for mail without a label: it is no label. UNREAD, STARRED and
IMPORTANT are fields of a message.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localdev.simulators.folders import OTHER_ROLE, Folder, FolderNotFound
from localdev.simulators.mailbox import Mailbox

LABEL_BY_ROLE = {
    "inbox": "INBOX",
    "sent": "SENT",
    "drafts": "DRAFT",
    "trash": "TRASH",
    "junk": "SPAM",
}
UNREAD, STARRED, IMPORTANT, CHAT = "UNREAD", "STARRED", "IMPORTANT", "CHAT"
FLAG_LABELS = (UNREAD, STARRED, IMPORTANT)
CATEGORIES = tuple(
    f"CATEGORY_{name}" for name in ("PERSONAL", "SOCIAL", "PROMOTIONS", "UPDATES", "FORUMS")
)
SYSTEM_LABELS = (
    *("CHAT", "SENT", "INBOX", "IMPORTANT", "TRASH", "DRAFT", "SPAM"),
    *(*CATEGORIES, STARRED, UNREAD),
)
OUTSIDE_ALL_MAIL = frozenset({"TRASH", "SPAM"})
_HIDDEN = frozenset({CHAT, *CATEGORIES})


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailLabel:
    """A label. folder_number: its folder in the simulated mailbox; None: a flag, or a system label
    that no message has had. is_listed: whether `labels.list` and `labels.get` know it."""

    id: str
    name: str
    is_system: bool
    is_hidden: bool = False
    is_listed: bool = True
    folder_number: int | None = None

    def to_json(self) -> dict[str, str]:
        """Return the label in the form of `labels.list`, without counts."""
        document = {"id": self.id, "name": self.name}
        if self.is_hidden:
            hides = "hide" if self.is_system else "show"
            document |= {"messageListVisibility": hides, "labelListVisibility": "labelHide"}
        return document | {"type": "system" if self.is_system else "user"}


@dataclass(frozen=True, slots=True)
class _Known:
    """by_id: the labels. id_by_folder: the label of each folder that is one. folders: all folders
    of the mailbox."""

    by_id: Mapping[str, GmailLabel]
    id_by_folder: Mapping[int, str]
    folders: frozenset[int]


class GmailLabels:
    """The labels of one simulated Gmail mailbox, with their ids and names."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @property
    def by_id(self) -> Mapping[str, GmailLabel]:
        return self._known.by_id

    @property
    def id_by_folder(self) -> Mapping[int, str]:
        """Return the label of each folder. Folders that are no labels are missing."""
        return self._known.id_by_folder

    def ids_of_folders(self, folders: Iterable[int]) -> set[str]:
        known = self.id_by_folder
        return {known[each] for each in folders if each in known}

    def ids_at_any_time(self, folders: Iterable[int]) -> set[str]:
        """Return the labels of folders, of which some may be deleted by now."""
        numbers = {*folders}
        gone = numbers - self._known.folders
        return self.ids_of_folders(numbers) | {f"Label_{number}" for number in gone}

    def folder_for(self, label_id: str) -> int:
        """Return the folder of a label, creating that of a system label. Raises FolderNotFound."""
        label = self.by_id.get(label_id)
        if label is None or label_id in FLAG_LABELS:
            raise FolderNotFound(label_id)
        if label.folder_number is not None:
            return label.folder_number
        return self.create_fixed(label_id)

    def create_fixed(self, label_id: str, *, is_listed: bool = True) -> int:
        """Create a label with this id; return its folder."""
        database = self._mailbox.database
        with database.transaction():
            number = self._mailbox.create_folder(label_id)
            database.execute_write(
                "INSERT INTO gmail_label VALUES (?, ?, ?, ?)",
                *(number, self._mailbox.user_id, label_id, is_listed),
            )
        return number

    @property
    def _known(self) -> _Known:
        key = ("gmail labels", self._mailbox.user_id)
        return self._mailbox.database.read_once(key, self._read)

    def _read(self) -> _Known:
        folders = {each.number: each for each in self._mailbox.folders.list_all()}
        fixed = self._fixed_labels()
        searches = {number for number, each in folders.items() if each.search_filter is not None}
        shown = set(folders) - searches - self._folders_of_outlook()
        found = {
            label.id: label
            for number in folders
            if number in shown and (label := _label(folders[number], folders, fixed))
        }
        system = {
            each: GmailLabel(id=each, name=each, is_system=True, is_hidden=each in _HIDDEN)
            for each in SYSTEM_LABELS
        }
        by_id = system | found
        id_by_folder = {
            label.folder_number: label.id
            for label in by_id.values()
            if label.folder_number is not None
        }
        return _Known(by_id, id_by_folder, self._folder_numbers())

    def _folder_numbers(self) -> frozenset[int]:
        rows = self._mailbox.database.fetch_rows(
            "SELECT number FROM folder WHERE mailbox_id = ?", self._mailbox.user_id
        )
        return frozenset(row["number"] for row in rows)

    def _fixed_labels(self) -> dict[int, tuple[str, bool]]:
        rows = self._mailbox.database.fetch_rows(
            "SELECT * FROM gmail_label WHERE mailbox_id = ?", self._mailbox.user_id
        )
        return {row["folder"]: (row["label_id"], bool(row["is_listed"])) for row in rows}

    def _folders_of_outlook(self) -> set[int]:
        """Return the folders that each simulated mailbox has only for Outlook."""
        rows = self._mailbox.database.fetch_rows("SELECT folder FROM outlook_folder")
        return {row["folder"] for row in rows}


def _label(
    folder: Folder, folders: Mapping[int, Folder], fixed: Mapping[int, tuple[str, bool]]
) -> GmailLabel | None:
    if folder.role != OTHER_ROLE:
        label_id = LABEL_BY_ROLE.get(folder.role)
        if label_id is None:
            return None
        return GmailLabel(id=label_id, name=label_id, is_system=True, folder_number=folder.number)
    if folder.number in fixed:
        label_id, is_listed = fixed[folder.number]
        return GmailLabel(
            id=label_id,
            name=label_id,
            is_system=True,
            is_hidden=label_id in _HIDDEN,
            is_listed=is_listed,
            folder_number=folder.number,
        )
    return GmailLabel(
        id=f"Label_{folder.number}",
        name=_path_name(folder, folders),
        is_system=False,
        is_hidden=folder.is_hidden,
        folder_number=folder.number,
    )


def _path_name(folder: Folder, folders: Mapping[int, Folder]) -> str:
    """Return the names of the folder and those above it, which Gmail joins with slashes. Folders
    with a role are no part of the names of labels."""
    names, above = [folder.name], folder.parent
    while above is not None and above in folders and folders[above].role == OTHER_ROLE:
        names.append(folders[above].name)
        above = folders[above].parent
    return "/".join(reversed(names))
