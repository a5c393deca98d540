"""The ids of folders and messages.

A server names a folder by its name, and a message by its folder, the folder's UIDVALIDITY and its
UID (RFC 3501, section 2.3.1.1).
"""

from typing import NamedTuple

from mailsync.model import RemoteId


class MessageUidLocation(NamedTuple):
    """The place of a message on the server.

    folder: name of the folder, as the server lists it.
    """

    folder: bytes
    uid_validity: int
    uid: int

    def to_message_id(self) -> RemoteId:
        """Return the message's id, which contains the folder, the UIDVALIDITY and the UID."""
        return RemoteId(f"{build_message_id_prefix(self.folder, self.uid_validity)}{self.uid}")


def build_message_id_prefix(folder: bytes, uid_validity: int) -> str:
    """Return the text with which the ids of all messages of a folder begin."""
    return f"{to_folder_id(folder)}:{uid_validity}:"


def parse_uid_location_of_message_id(remote_id: RemoteId) -> MessageUidLocation | None:
    """Return the place that a message's id contains. Return None if the id contains no place,
    because it was declared void."""
    try:
        folder, uid_validity, uid = remote_id.rsplit(":", 2)
        return MessageUidLocation(to_folder_name(RemoteId(folder)), int(uid_validity), int(uid))
    except ValueError:
        return None


def to_folder_id(name: bytes) -> RemoteId:
    """Return the id of a folder, which is its name as text. Names are ASCII (modified UTF-7). If a
    server sends other bytes, each byte becomes the character with the same number."""
    return RemoteId(name.decode("latin-1"))


def to_folder_name(remote_id: RemoteId) -> bytes:
    """Return the name of the folder with this id, as the server's bytes."""
    return remote_id.encode("latin-1")
