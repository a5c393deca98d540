"""How much of the providers' answers the mailboxes hold that one function has open at once."""

from threading import Lock


class ResponseMemory:
    """The memory that several mailboxes share; safe for their threads.

    Each may hold `own_bytes`, and one at a time `large_bytes`. Another one that needs as much waits
    for it, `wait_s` at most.
    """

    def __init__(self, *, own_bytes: int, large_bytes: int, wait_s: float) -> None:
        self.own_bytes = own_bytes
        self.large_bytes = large_bytes
        self.wait_s = wait_s
        self.large = Lock()

    def share(self) -> "MemoryShare":
        """A share for one mailbox."""
        return MemoryShare(self)


class MemoryShare:
    """What one mailbox holds; not for use by several threads."""

    def __init__(self, memory: ResponseMemory) -> None:
        self._memory = memory
        self._held = 0
        self._is_large = False

    def take(self, size: int) -> bool:
        """Return whether so many more bytes may be held; then they are."""
        memory, held = self._memory, self._held + size
        if held > memory.own_bytes and not self._is_large:
            self._is_large = memory.large.acquire(timeout=memory.wait_s)
        if held > (memory.large_bytes if self._is_large else memory.own_bytes):
            return False
        self._held = held
        return True

    def give_back(self, size: int) -> None:
        """These bytes have been dropped."""
        self._held -= size
        if self._is_large and self._held <= self._memory.own_bytes:
            self._is_large = False
            self._memory.large.release()

    def close(self) -> None:
        self.give_back(self._held)
