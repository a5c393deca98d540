"""Show the folders of a simulated mailbox as Gmail's labels.

Each folder of the folder tree is a label, except search folders, folders that only Outlook has, the
folder `outbox`, and the folder `archive`, which holds the mail without a label. A folder with a
role, such as the inbox, and a folder in the table `gmail_label`, such as a category, has a label
with a fixed id. The label of any other folder has the id `Label_N`, where N is the folder's number.
The labels UNREAD, STARRED and IMPORTANT have no folders; they are fields of a message.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localdev.simulators.folders import ORDINARY_FOLDER_ROLE, Folder, FolderNotFound
from localdev.simulators.mailbox import Mailbox

LABEL_ID_BY_ROLE = {
    "inbox": "INBOX",
    "sent": "SENT",
    "drafts": "DRAFT",
    "trash": "TRASH",
    "junk": "SPAM",
}
UNREAD, STARRED, IMPORTANT, CHAT = "UNREAD", "STARRED", "IMPORTANT", "CHAT"
IDS_OF_LABELS_STORED_AS_FLAGS = (UNREAD, STARRED, IMPORTANT)
CATEGORY_LABEL_IDS = tuple(
    f"CATEGORY_{name}" for name in ("PERSONAL", "SOCIAL", "PROMOTIONS", "UPDATES", "FORUMS")
)
SYSTEM_LABEL_IDS = (
    *("CHAT", "SENT", "INBOX", "IMPORTANT", "TRASH", "DRAFT", "SPAM"),
    *(*CATEGORY_LABEL_IDS, STARRED, UNREAD),
)
LABEL_IDS_OUTSIDE_ALL_MAIL = frozenset({"TRASH", "SPAM"})
_HIDDEN = frozenset({CHAT, *CATEGORY_LABEL_IDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailLabel:
    """A label of a Gmail mailbox.

    is_system: whether Gmail made the label. False: the user made it.
    is_hidden_in_clients: whether the API says that mail programs shall not show the label.
    is_returned_by_api: whether `labels.list` and `labels.get` return the label.
    folder_number: number of the label's folder in the simulated mailbox. None: the label is a field
        of a message, such as UNREAD, or a system label that no message has had.
    """

    id: str
    name: str
    is_system: bool
    is_hidden_in_clients: bool = False
    is_returned_by_api: bool = True
    folder_number: int | None = None

    def to_json(self) -> dict[str, str]:
        """Return the label in the form of `labels.list`, without counts."""
        document = {"id": self.id, "name": self.name}
        if self.is_hidden_in_clients:
            hides = "hide" if self.is_system else "show"
            document |= {"messageListVisibility": hides, "labelListVisibility": "labelHide"}
        return document | {"type": "system" if self.is_system else "user"}


@dataclass(frozen=True, slots=True)
class _Known:
    """The labels and folders of a mailbox at one time.

    by_id: the labels by id.
    id_by_folder: label id by folder number, for each folder that is a label.
    folders: numbers of all folders of the mailbox, also of folders that are no labels.
    """

    by_id: Mapping[str, GmailLabel]
    id_by_folder: Mapping[int, str]
    folders: frozenset[int]


class GmailLabels:
    """The labels of one simulated Gmail mailbox, with their ids and names."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @property
    def label_by_id(self) -> Mapping[str, GmailLabel]:
        return self._known.by_id

    @property
    def label_id_by_folder_number(self) -> Mapping[int, str]:
        """Return the id of each folder's label, by folder number. Folders that are no labels are
        missing."""
        return self._known.id_by_folder

    def find_label_ids_of_folders(self, folders: Iterable[int]) -> set[str]:
        known = self.label_id_by_folder_number
        return {known[each] for each in folders if each in known}

    def find_label_ids_even_of_deleted_folders(self, folders: Iterable[int]) -> set[str]:
        """Return the ids of the labels of folders that exist or were deleted. The label of a
        deleted folder had the id `Label_N`.

        folders: numbers of folders.
        """
        numbers = {*folders}
        gone = numbers - self._known.folders
        return self.find_label_ids_of_folders(numbers) | {f"Label_{number}" for number in gone}

    def find_or_create_folder_number(self, label_id: str) -> int:
        """Return the number of a label's folder. Create the folder if the label is a system label
        that has no folder yet.

        Raises:
            FolderNotFound: the mailbox has no such label, or the label is a field of a message,
                such as UNREAD.
        """
        label = self.label_by_id.get(label_id)
        if label is None or label_id in IDS_OF_LABELS_STORED_AS_FLAGS:
            raise FolderNotFound(label_id)
        if label.folder_number is not None:
            return label.folder_number
        return self.create_label_with_fixed_id(label_id)

    def create_label_with_fixed_id(self, label_id: str, *, is_listed: bool = True) -> int:
        """Create a label with this id instead of `Label_N`; return the number of the label's
        folder.

        is_listed: whether `labels.list` and `labels.get` return the label.
        """
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
        return self._mailbox.database.get_or_compute_cached_result(key, self._read)

    def _read(self) -> _Known:
        folders = {each.number: each for each in self._mailbox.folders.list_all_folders()}
        fixed = self._fixed_labels()
        searches = {number for number, each in folders.items() if each.search_filter is not None}
        shown = set(folders) - searches - self._folders_of_outlook()
        found = {
            label.id: label
            for number in folders
            if number in shown and (label := _label(folders[number], folders, fixed))
        }
        system = {
            each: GmailLabel(
                id=each, name=each, is_system=True, is_hidden_in_clients=each in _HIDDEN
            )
            for each in SYSTEM_LABEL_IDS
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
        """Return the numbers of the folders that simulated mailboxes have only for Outlook."""
        rows = self._mailbox.database.fetch_rows("SELECT folder FROM outlook_folder")
        return {row["folder"] for row in rows}


def _label(
    folder: Folder, folders: Mapping[int, Folder], fixed: Mapping[int, tuple[str, bool]]
) -> GmailLabel | None:
    if folder.role != ORDINARY_FOLDER_ROLE:
        label_id = LABEL_ID_BY_ROLE.get(folder.role)
        if label_id is None:
            return None
        return GmailLabel(id=label_id, name=label_id, is_system=True, folder_number=folder.number)
    if folder.number in fixed:
        label_id, is_listed = fixed[folder.number]
        return GmailLabel(
            id=label_id,
            name=label_id,
            is_system=True,
            is_hidden_in_clients=label_id in _HIDDEN,
            is_returned_by_api=is_listed,
            folder_number=folder.number,
        )
    return GmailLabel(
        id=f"Label_{folder.number}",
        name=_path_name(folder, folders),
        is_system=False,
        is_hidden_in_clients=folder.is_hidden,
        folder_number=folder.number,
    )


def _path_name(folder: Folder, folders: Mapping[int, Folder]) -> str:
    """Return the name of a folder's label: the folder's name after the names of its parent folders,
    joined by slashes. Folders with a role, such as the inbox, are left out."""
    names, above = [folder.name], folder.parent
    while above is not None and above in folders and folders[above].role == ORDINARY_FOLDER_ROLE:
        names.append(folders[above].name)
        above = folders[above].parent
    return "/".join(reversed(names))
