"""The address of a mailbox on a mail server, and its form in `Account.remote_account_id`."""

from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

TLS_PORT, STARTTLS_PORT = 993, 143
_LABELS = "?labels"
"""The end of the id of a mailbox with labels. A user name is quoted, so it has no question mark."""


@dataclass(frozen=True, slots=True)
class ImapMailboxLocation:
    """A mailbox on a mail server. A connection begins with TLS; only on port 143 it begins without
    TLS and switches to TLS by STARTTLS (RFC 8314).

    is_mirrored_with_gmail_labels: the mailbox is read with Gmail's IMAP extensions: each message
        once, with its labels. False: the mailbox is read folder by folder.
    """

    host: str
    port: int
    user_name: str
    is_mirrored_with_gmail_labels: bool = False

    @property
    def has_implicit_tls(self) -> bool:
        """Return whether the connection begins with the TLS handshake."""
        return self.port != STARTTLS_PORT

    def to_remote_id(self) -> str:
        """Return the id that Mailsync stores for the mailbox: `host:port/user`. The id of a mailbox
        that is read with Gmail's labels ends with `?labels`."""
        of_user = f"{self.host.lower()}:{self.port}/{quote(self.user_name, safe='@')}"
        return of_user + (_LABELS if self.is_mirrored_with_gmail_labels else "")

    def to_remote_id_in_other_label_mode(self) -> str:
        """Return the id that the mailbox has if it is read in the other mode: without `?labels` if
        this mailbox is read with labels, and with `?labels` if it is read without labels."""
        return replace(
            self, is_mirrored_with_gmail_labels=not self.is_mirrored_with_gmail_labels
        ).to_remote_id()


def mailbox_location_from_remote_id(remote_id: str) -> ImapMailboxLocation:
    """Return the address of the mailbox with this id.

    remote_id: an id from `ImapMailboxLocation.to_remote_id`.
    """
    server, _, user_name = remote_id.partition("/")
    host, _, port = server.rpartition(":")
    has_labels = user_name.endswith(_LABELS)
    return ImapMailboxLocation(
        host, int(port), unquote(user_name.removesuffix(_LABELS)), has_labels
    )
