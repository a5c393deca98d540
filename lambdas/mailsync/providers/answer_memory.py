"""How much of the providers' answers one function holds at once."""

from threading import Lock


class AnswerMemory:
    """Bytes that the mailboxes of one function share; safe for its threads.

    A borrower gives back what it has borrowed when it has dropped what it was made of.
    """

    def __init__(self, total_bytes: int) -> None:
        self._left = total_bytes
        self._lock = Lock()

    def borrow(self, size: int) -> bool:
        """Return whether so many more bytes may be held; then they are taken."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
        return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self._left += size
