"""Make Outlook's ids of messages and folders from the numbers in the simulated mailbox
(`simulators.mailbox`), and read the numbers from ids.

An id contains the numbers and an authentication code. So the simulator recognises its own ids
without a table of ids. A message has an immutable id, which stays when the message moves, and a
default id, which changes when the message moves. A mailbox that was created again has other ids
than before.
"""

import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import shake_256
from secrets import token_bytes

from localdev.simulators.database import SimulatorDatabase

_NUMBER_BYTES = 8
_IMMUTABLE = ("AAkALgAAAAAAHYQDEapm", 39, "")
_DEFAULT = ("AAMkAGI2THVSAAA", 102, "=")
_FOLDER = ("AAMkAGI2T", 81, "=")
_Form = tuple[str, int, str]
# Ids of all mailboxes have these lengths, and begin as here.
_OF_ANY_MAILBOX = re.compile(
    r"AAkALgAAAAAAHYQDEapm[\w-]{52}|AAMkA[\w-]{112}=|AAMkA[\w-]{146}=", re.ASCII
)


def read_or_create_id_secret(database: SimulatorDatabase) -> bytes:
    """Return the key that authenticates all ids of a data folder; create and store the key at the
    first call."""
    return database.read_or_create_secret("outlook ids", lambda: token_bytes(32))


def is_well_formed_id(text: str) -> bool:
    """Return whether the text has the form of an id of a folder or message, in any mailbox."""
    return _OF_ANY_MAILBOX.fullmatch(text) is not None


def renew_message_and_folder_ids(database: SimulatorDatabase, mailbox_id: str) -> None:
    """Give new ids to all messages and folders of the mailbox. Requests with the old ids then get
    the error for ids of another mailbox."""
    database.execute_write(
        "INSERT INTO outlook_mailbox VALUES (?, 1)"
        " ON CONFLICT (mailbox_id) DO UPDATE SET creations = creations + 1",
        mailbox_id,
    )


class OutlookIds:
    """Makes and reads the ids of one mailbox. Ids of another data folder are not accepted."""

    def __init__(self, database: SimulatorDatabase, mailbox_id: str) -> None:
        row = database.fetch_row(
            "SELECT creations FROM outlook_mailbox WHERE mailbox_id = ?", mailbox_id
        )
        again = f" {row['creations']}" if row else ""
        self._seed = read_or_create_id_secret(database) + f"{mailbox_id}{again}".encode()
        self._folder_ids: dict[int, str] = {}

    def make_immutable_message_id(self, number: int) -> str:
        return self._id(_IMMUTABLE, number)

    def make_mutable_message_id(self, number: int, placement: int) -> str:
        return self._id(_DEFAULT, number, placement)

    def make_folder_id(self, number: int) -> str:
        if number not in self._folder_ids:
            self._folder_ids[number] = self._id(_FOLDER, number)
        return self._folder_ids[number]

    def make_root_folder_id(self) -> str:
        """Return the id of the root folder, which only Graph's folder tree has."""
        return self.make_folder_id(0)

    def make_change_key(self, number: int, version: int) -> str:
        return "CQAAABYAAAC" + b64encode(self._code("change key", 21, number, version)).decode()

    def parse_folder_id(self, folder_id: str) -> int | None:
        """Return the number of the folder with this id; 0 for the root folder. Return None if the
        text is no folder id of this mailbox."""
        numbers = self._numbers(_FOLDER, folder_id, 1)
        return numbers[0] if numbers else None

    def parse_message_and_placement_numbers(self, message_id: str) -> tuple[int, int | None] | None:
        """Return the message number and the placement number that a message id contains. The
        placement number is None in an immutable id. Return None if the text is no message id of
        this mailbox."""
        if numbers := self._numbers(_IMMUTABLE, message_id, 1):
            return numbers[0], None
        if numbers := self._numbers(_DEFAULT, message_id, 2):
            return numbers[0], numbers[1]
        return None

    def is_id_of_this_mailbox(self, text: str) -> bool:
        """Return whether the text is the id of a folder or message that this mailbox has or had."""
        return bool(
            self._numbers(_FOLDER, text, 1) or self.parse_message_and_placement_numbers(text)
        )

    def _id(self, form: _Form, *numbers: int) -> str:
        prefix, size, suffix = form
        text = b"".join(number.to_bytes(_NUMBER_BYTES) for number in numbers)
        text += self._code(prefix, size - len(text), *numbers)
        return prefix + urlsafe_b64encode(text).decode() + suffix

    def _numbers(self, form: _Form, text: str, count: int) -> list[int] | None:
        prefix, _, suffix = form
        if not text.startswith(prefix):
            return None
        try:
            content = urlsafe_b64decode(text.removeprefix(prefix).removesuffix(suffix))
        except ValueError:
            return None
        parts = (content[at * _NUMBER_BYTES :][:_NUMBER_BYTES] for at in range(count))
        numbers = [int.from_bytes(part) for part in parts]
        return numbers if self._id(form, *numbers) == text else None

    def _code(self, purpose: str, size: int, *numbers: int) -> bytes:
        return shake_256(self._seed + f"{purpose} {numbers}".encode()).digest(size)
