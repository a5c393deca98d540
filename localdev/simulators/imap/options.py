"""Define how the simulated IMAP server differs from others: capabilities, prefix and separator."""

from dataclasses import dataclass

ALL_EXTENSIONS = (
    *("LITERAL+", "SASL-IR", "ID", "ENABLE", "NAMESPACE", "UIDPLUS", "MOVE", "UNSELECT", "ESEARCH"),
    *("SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "CONDSTORE", "QRESYNC", "OBJECTID"),
    *("UTF8=ACCEPT", "AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER"),
)
WITHOUT_QRESYNC = tuple(each for each in ALL_EXTENSIONS if each != "QRESYNC")
WITHOUT_CONDSTORE = tuple(each for each in WITHOUT_QRESYNC if each != "CONDSTORE")
GMAIL = "X-GM-EXT-1"
"""Gmail's extensions: the mailbox is shown as Gmail shows it, see `gmail`."""
GMAIL_EXTENSIONS = (
    *("LITERAL+", "SASL-IR", "ID", "ENABLE", "NAMESPACE", "UIDPLUS", "MOVE", "UNSELECT", "ESEARCH"),
    *("SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "CONDSTORE", "UTF8=ACCEPT", GMAIL),
    *("AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER"),
)
MAX_LINE_BYTES = 65_536
"""Longest command without its literals; Dovecot's limit."""
MAX_LITERAL_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapOptions:
    """What the server offers to a mailbox. A command of an extension that is not among
    `extensions` is answered with BAD, as by a server that does not know it.

    prefix: beginning of all folder names but INBOX, such as `INBOX.`.
    separator: character between the names of a folder and of its parent.
    """

    extensions: tuple[str, ...] = ALL_EXTENSIONS
    prefix: str = ""
    separator: str = "/"

    def offers(self, extension: str) -> bool:
        return extension in self.extensions
