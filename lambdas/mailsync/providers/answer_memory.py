"""How much of the providers' answers the mailboxes hold that one function has open at once."""

from threading import Lock


class AnswerMemory:
    """Bytes that several mailboxes share; safe for their threads.

    Each mailbox has `own_bytes` besides, so that a large one does not get into the way of others
    with little news.
    """

    def __init__(self, shared_bytes: int, *, own_bytes: int) -> None:
        self._left = shared_bytes
        self._own_bytes = own_bytes
        self._lock = Lock()

    def share(self) -> "MemoryShare":
        """A share for one mailbox."""
        return MemoryShare(self, self._own_bytes)

    def _borrow(self, size: int) -> bool:
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
        return True


class MemoryShare:
    """What one mailbox holds; not for use by several threads."""

    def __init__(self, memory: AnswerMemory, own_bytes: int) -> None:
        self._memory = memory
        self._own_bytes = own_bytes
        self._held = 0

    def take(self, size: int) -> bool:
        """Return whether so many more bytes may be held; then they are."""
        more = self._borrowed(self._held + size) - self._borrowed(self._held)
        if more and not self._memory._borrow(more):
            return False
        self._held += size
        return True

    def give_back(self, size: int) -> None:
        """These bytes have been dropped."""
        less = self._borrowed(self._held) - self._borrowed(self._held - size)
        self._memory._borrow(-less)
        self._held -= size

    def close(self) -> None:
        self.give_back(self._held)

    def _borrowed(self, held: int) -> int:
        return max(0, held - self._own_bytes)
