"""Open the folder whose full sync begins next, and read its first page, while the caller stores the
last page of another one."""

from mailsync.errors import ProviderRejected
from mailsync.providers.background import BackgroundRead
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.folder_reader import FolderReader


class NextFolder:
    """The folder that the sync will read next on a connection.

    name: the folder's name. None: no folder is expected.
    """

    def __init__(self) -> None:
        self.name: bytes | None = None
        self._reading: tuple[bytes, BackgroundRead[FolderReader]] | None = None

    def begin(self, connection: ImapConnection, limit: int, window: int) -> bool:
        """Open the expected folder in a thread and read its first page; return whether it began.
        From then on no other folder is open.

        limit: number of messages of the page. window: see `FolderReader`.
        """
        name, self.name = self.name, None
        can_read = connection.can_read_in_background and not connection.is_broken
        if name is None or limit == 1 or not can_read:
            return False

        def read() -> FolderReader:
            opened, uids = connection.examine_and_list(name)
            reader = FolderReader(connection, opened, window, uids)
            reader.read_first_page(limit)
            return reader

        self._reading = name, connection.read_in_background(read)
        return True

    def take(self, name: bytes) -> FolderReader | None:
        """Return the folder of this name if it was opened ahead. None: another folder or no folder
        was opened ahead, or the server rejected it; the caller must open the folder itself.

        Raises:
            ProviderUnavailable, ProviderThrottled: opening it failed.
        """
        reading, self._reading = self._reading, None
        if reading is None or reading[0] != name:
            return None
        try:
            return reading[1].result()
        except ProviderRejected:
            return None

    def drop(self) -> None:
        """Drop the folder that was opened ahead, with what was read of it."""
        self._reading = None
