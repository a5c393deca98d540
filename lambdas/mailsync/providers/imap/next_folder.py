"""Open the folder whose full sync begins next, and read its first page, while the caller stores the
last page of the folder before it."""

from mailsync.errors import ProviderRejected
from mailsync.providers.background import BackgroundTask
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.folder_reader import FolderReader


class NextFolderOpener:
    """The folder that the sync will read next on a connection; it is opened in the background.

    folder_name: name of the folder. None: the caller has not named a next folder.
    """

    def __init__(self) -> None:
        self.folder_name: bytes | None = None
        self._reading: tuple[bytes, BackgroundTask[FolderReader]] | None = None

    def open_in_background(self, connection: ImapConnection, limit: int, window: int) -> bool:
        """Start to open the next folder and to read its first page in a thread. From then on no
        other folder is open on the connection.

        limit: maximum number of messages of the page.
        window: number of messages whose flags one command requests.

        Returns False without starting if no next folder is named, if only one message per page is
        requested, or if the connection cannot read in the background.
        """
        name, self.folder_name = self.folder_name, None
        can_read = connection.is_background_reading_allowed and not connection.is_broken
        if name is None or limit == 1 or not can_read:
            return False

        def read() -> FolderReader:
            opened, uids = connection.examine_and_list_uids(name)
            reader = FolderReader(connection, opened, window, uids)
            reader.read_first_page_ahead(limit)
            return reader

        self._reading = name, connection.start_background_task(read)
        return True

    def take_reader_opened_ahead(self, name: bytes) -> FolderReader | None:
        """Wait until the folder of this name is open, and return its reader. Return None if this
        folder was not opened ahead, or if the server rejected it; the caller must then open the
        folder itself.

        Raises:
            ProviderUnavailable, ProviderThrottled: the server failed while the folder was opened.
        """
        reading, self._reading = self._reading, None
        if reading is None or reading[0] != name:
            return None
        try:
            return reading[1].result()
        except ProviderRejected:
            return None

    def drop_folder_opened_ahead(self) -> None:
        """Forget the folder that was opened ahead, and what was read of it."""
        self._reading = None
