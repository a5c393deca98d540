"""Read the UIDs, mod-sequences and UIDVALIDITY of a folder from the journal of the simulated
mailbox.

The IMAP server stores no numbers of its own. A message's UID is the number of the journal entry
that placed the message in the folder. In IMAP the contents of a message never change. So a message
whose contents change, such as an edited draft, gets the number of that change as a new UID.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from hashlib import sha256
from sqlite3 import Row

import orjson

from localdev.mail.item import MailItem
from localdev.simulators.imap.flags import flags_of_message
from localdev.simulators.journal import ChangeKind
from localdev.simulators.mailbox import Mailbox

_OF_FLAGS = {"is_read", "is_flagged", "is_draft", "categories", "folder", "original"}
_CONTENTS = [each.name for each in fields(MailItem) if each.name not in _OF_FLAGS]
_CHANGES_CONTENTS = "(kind = '{}' AND ({}))".format(
    ChangeKind.MESSAGE_CHANGED,
    " OR ".join(f"instr(',' || fields || ',', ',{name},')" for name in _CONTENTS),
)
_ARRIVES = f"kind IN ('{ChangeKind.MESSAGE_ADDED_TO_FOLDER}', '{ChangeKind.MESSAGE_MOVED}')"
_GETS_UID = f"({_ARRIVES} OR {_CHANGES_CONTENTS})"
_LISTED = f"""
SELECT p.message AS number, p.received_at, max(p.number, coalesce(c.number, 0)) AS uid, m.blob,
       m.changed, m.is_read, m.is_flagged, m.is_draft, m.categories, m.attributes, m.thread,
       length(o.content) AS size
  FROM placement p JOIN message m ON m.number = p.message LEFT JOIN original o ON o.blob = m.blob
  LEFT JOIN (SELECT message, max(number) AS number FROM change
              WHERE folder = ?1 AND {_CHANGES_CONTENTS} GROUP BY message) c ON c.message = p.message
 WHERE p.folder = ?1 ORDER BY uid
"""
_NEWEST_UID = f"""
SELECT number FROM change WHERE folder = ? AND {_GETS_UID} ORDER BY number DESC LIMIT 1
"""
_NEWEST_CHANGE = """
SELECT max(1, coalesce((SELECT max(number) FROM change WHERE folder = ?1 AND message > 0), 1),
           coalesce((SELECT max(number) FROM change WHERE source = ?1 AND message > 0), 1))
    AS number
"""
_VANISHED = f"""
SELECT (SELECT max(before.number) FROM change before
         WHERE before.message = gone.message AND before.number < gone.number
           AND before.folder = ?1 AND {_GETS_UID}) AS uid
  FROM (SELECT message, number FROM change
         WHERE source = ?1 AND number > ?2 AND message > 0
         UNION ALL
        SELECT message, number FROM change
         WHERE folder = ?1 AND number > ?2 AND {_CHANGES_CONTENTS}) gone
"""
_EXPIRED = f"""
SELECT sum(kind = '{ChangeKind.CURSORS_EXPIRED}' AND mailbox_id = ?1) AS number FROM (
       SELECT kind, mailbox_id FROM change WHERE folder = ?2
       UNION ALL SELECT kind, mailbox_id FROM change WHERE folder IS NULL)
"""
_UID_VALIDITY_STEP = 1_000
_STATES = ("is_read", "is_flagged", "is_draft", "categories", "attributes")


@dataclass(frozen=True, slots=True)
class GmailMessageAttributes:
    """The values of Gmail's IMAP extensions for one message.

    labels: the message's labels, except the label of the open folder.
    """

    gmail_message_id: int
    gmail_thread_id: int
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageWithoutContents:
    """A message of a folder, without its contents.

    message_number: number of the message in the simulated mailbox; this is no IMAP sequence number.
    content_blob_id: number of the message's content in the simulated mailbox.
    mod_seq: mod-sequence of the message (RFC 7162).
    original_message_size_bytes: size in bytes of the message as it was received. None: the original
        was not kept.
    gmail_attributes: values of Gmail's IMAP extensions. None: the server is not Gmail's.
    """

    uid: int
    message_number: int
    content_blob_id: int
    thread_key: str
    received_at: str
    mod_seq: int
    flags: frozenset[str]
    original_message_size_bytes: int | None
    gmail_attributes: GmailMessageAttributes | None = None

    @property
    def object_ids(self) -> dict[str, str]:
        """Return EMAILID, the id of the content, and THREADID, the id of the thread (RFC 8474)."""
        thread = sha256(self.thread_key.encode("utf-8", "replace")).hexdigest()[:32]
        return {"EMAILID": f"M{self.content_blob_id}", "THREADID": f"T{thread}"}


class SimulatedFolderReader:
    """Reads one folder of a simulated mailbox in IMAP's terms.

    folder_number: number of the folder in the simulated mailbox.
    """

    def __init__(self, mailbox: Mailbox, folder: int) -> None:
        self._mailbox = mailbox
        self._database = mailbox.database
        self.folder_number = folder

    def list_messages(self) -> list[MessageWithoutContents]:
        """Return all messages of the folder in ascending order of their UIDs."""
        return [
            MessageWithoutContents(
                row["uid"],
                row["number"],
                row["blob"],
                row["thread"],
                row["received_at"],
                row["changed"],
                flags_of_row(row),
                row["size"],
            )
            for row in self._database.fetch_rows(_LISTED, self.folder_number)
        ]

    @property
    def is_folder_present(self) -> bool:
        return bool(self._number("SELECT number FROM folder WHERE number = ?", self.folder_number))

    @property
    def uid_next(self) -> int:
        return self._number(_NEWEST_UID, self.folder_number) + 1

    @property
    def highest_mod_seq(self) -> int:
        """Return the number of the newest change of a message that is or was in the folder."""
        return self._number(_NEWEST_CHANGE, self.folder_number)

    @property
    def uid_validity(self) -> int:
        """Return the folder's UIDVALIDITY. No two folders have the same UIDVALIDITY. The number
        grows each time that the cursors of the folder or of the mailbox expire."""
        expired = self._number(_EXPIRED, self._mailbox.user_id, self.folder_number)
        return self.folder_number * _UID_VALIDITY_STEP + expired

    def uids_vanished_since_mod_seq(self, mod_seq: int) -> Sequence[int]:
        """Return the UIDs that disappeared from the folder by changes after `mod_seq`, in ascending
        order."""
        rows = self._database.fetch_rows(_VANISHED, self.folder_number, mod_seq)
        return sorted({row["uid"] for row in rows if row["uid"]})

    def _number(self, statement: str, *values: object) -> int:
        row = self._database.fetch_row(statement, *values)
        return int(row["number"] or 0) if row else 0


def flags_of_row(row: Row) -> frozenset[str]:
    """Return the IMAP flags of a message.

    row: a row of the SQLite table `message`.
    """
    return _flags(*(row[name] for name in _STATES))


@lru_cache(maxsize=1024)
def _flags(
    is_read: int, is_flagged: int, is_draft: int, categories: str, attributes: str
) -> frozenset[str]:
    """Return the IMAP flags for columns of the table `message`. The cache is effective, because
    most messages of a mailbox have one of few combinations of flags."""
    fields = {"is_read": is_read, "is_flagged": is_flagged, "is_draft": is_draft}
    return flags_of_message(fields, orjson.loads(categories), orjson.loads(attributes))
