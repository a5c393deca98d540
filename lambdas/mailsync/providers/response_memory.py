"""A limit on the memory for providers' responses, which several mailboxes in one function share."""

from threading import Lock


class ResponseMemory:
    """A limit on the memory for provider responses of all mailboxes in one function; thread-safe.

    own_bytes: memory that each mailbox may always use.
    large_bytes: larger memory that only one mailbox at a time may use.
    wait_s: seconds that a mailbox waits until the larger memory is free.
    """

    def __init__(self, *, own_bytes: int, large_bytes: int, wait_s: float) -> None:
        self.own_bytes = own_bytes
        self.large_bytes = large_bytes
        self.wait_s = wait_s
        self.large = Lock()

    def create_share_for_mailbox(self) -> "MemoryShare":
        """Return the memory share of one more mailbox."""
        return MemoryShare(self)


class MemoryShare:
    """The bytes that the responses of one mailbox may hold in memory, out of those that all
    mailboxes of a function share. Not thread-safe."""

    def __init__(self, memory: ResponseMemory) -> None:
        self._memory = memory
        self._held = 0
        self._is_large = False

    def reserve(self, size: int) -> bool:
        """Reserve this many bytes; return False if they exceed the limit."""
        memory, held = self._memory, self._held + size
        if held > memory.own_bytes and not self._is_large:
            self._is_large = memory.large.acquire(timeout=memory.wait_s)
        if held > (memory.large_bytes if self._is_large else memory.own_bytes):
            return False
        self._held = held
        return True

    def release(self, size: int) -> None:
        """Release bytes of responses that were dropped."""
        self._held -= size
        if self._is_large and self._held <= self._memory.own_bytes:
            self._is_large = False
            self._memory.large.release()

    def close(self) -> None:
        self.release(self._held)
