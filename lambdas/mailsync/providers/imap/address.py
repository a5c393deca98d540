"""The address of a mailbox on a mail server, and its form in `Account.remote_id`."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

TLS_PORT, STARTTLS_PORT = 993, 143


@dataclass(frozen=True, slots=True)
class MailboxAddress:
    """A mailbox on a mail server. The connection begins with TLS; on port 143 alone it begins
    without, and STARTTLS follows (RFC 8314)."""

    host: str
    port: int
    user_name: str

    @property
    def begins_with_tls(self) -> bool:
        """Return whether the connection begins with the TLS handshake."""
        return self.port != STARTTLS_PORT

    def to_remote_id(self) -> str:
        """Return the mailbox's id, which is the same however it is connected: `host:port/user`."""
        return f"{self.host.lower()}:{self.port}/{quote(self.user_name, safe='@')}"


def parse_remote_id(remote_id: str) -> MailboxAddress:
    """Return the address of the mailbox with this id, which `MailboxAddress.to_remote_id` made."""
    server, _, user_name = remote_id.partition("/")
    host, _, port = server.rpartition(":")
    return MailboxAddress(host, int(port), unquote(user_name))
