"""Limit the memory that the responses of providers use when one Lambda function works on several
mailboxes."""

from threading import Lock


class ResponseMemoryBudget:
    """Limits on the memory that provider responses use in one Lambda function; thread-safe.

    own_bytes: memory that each mailbox may always use.
    large_bytes: larger amount that a single mailbox may use; only one mailbox at a time.
    wait_s: seconds for which a mailbox waits until no other mailbox uses the larger amount.
    """

    def __init__(self, *, own_bytes: int, large_bytes: int, wait_s: float) -> None:
        self.own_bytes = own_bytes
        self.large_bytes = large_bytes
        self.wait_s = wait_s
        self.large = Lock()

    def create_share_for_mailbox(self) -> "ResponseMemoryShare":
        """Return a new share of this memory, which counts the responses of one mailbox."""
        return ResponseMemoryShare(self)


class ResponseMemoryShare:
    """A count of the bytes that the responses of one mailbox hold in memory. Not thread-safe.

    A mailbox may always use `ResponseMemoryBudget.own_bytes`. It may use `large_bytes` if no other
    mailbox does so at the moment.
    """

    def __init__(self, memory: ResponseMemoryBudget) -> None:
        self._memory = memory
        self._held = 0
        self._is_large = False

    def try_reserve_bytes(self, size: int) -> bool:
        """Add `size` bytes to the memory that this mailbox uses, and return True. Return False
        without adding them if the mailbox would exceed its limit."""
        memory, held = self._memory, self._held + size
        if held > memory.own_bytes and not self._is_large:
            self._is_large = memory.large.acquire(timeout=memory.wait_s)
        if held > (memory.large_bytes if self._is_large else memory.own_bytes):
            return False
        self._held = held
        return True

    def release_bytes(self, size: int) -> None:
        """Subtract `size` bytes from the memory that this mailbox uses, because responses of this
        size were dropped."""
        self._held -= size
        if self._is_large and self._held <= self._memory.own_bytes:
            self._is_large = False
            self._memory.large.release()

    def close(self) -> None:
        """Release all memory of this mailbox."""
        self.release_bytes(self._held)
