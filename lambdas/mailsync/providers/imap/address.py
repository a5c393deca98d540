"""The address of a mailbox on a mail server, and its form in `Account.remote_id`."""

from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

TLS_PORT, STARTTLS_PORT = 993, 143
_LABELS = "?labels"
"""The end of the id of a mailbox with labels. A user name is quoted, so it has no question mark."""


@dataclass(frozen=True, slots=True)
class MailboxAddress:
    """A mailbox on a mail server. The connection begins with TLS; on port 143 alone it begins
    without, and STARTTLS follows (RFC 8314).

    has_labels: the mailbox is read with Gmail's extensions: each message once, with its labels.
    """

    host: str
    port: int
    user_name: str
    has_labels: bool = False

    @property
    def begins_with_tls(self) -> bool:
        """Return whether the connection begins with the TLS handshake."""
        return self.port != STARTTLS_PORT

    def to_remote_id(self) -> str:
        """Return the mailbox's id, which is the same however it is connected: `host:port/user`, and
        `host:port/user?labels`."""
        of_user = f"{self.host.lower()}:{self.port}/{quote(self.user_name, safe='@')}"
        return of_user + (_LABELS if self.has_labels else "")

    def other_remote_id(self) -> str:
        """Return the id that the mailbox has if it is read the other way, with or without
        labels."""
        return replace(self, has_labels=not self.has_labels).to_remote_id()


def parse_remote_id(remote_id: str) -> MailboxAddress:
    """Return the address of the mailbox with this id, which `MailboxAddress.to_remote_id` made."""
    server, _, user_name = remote_id.partition("/")
    host, _, port = server.rpartition(":")
    has_labels = user_name.endswith(_LABELS)
    return MailboxAddress(host, int(port), unquote(user_name.removesuffix(_LABELS)), has_labels)
