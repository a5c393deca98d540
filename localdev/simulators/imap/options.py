"""Define the options with which the simulated IMAP server behaves as different mail servers do:
capabilities, and the prefix and separator of folder names.
"""

from dataclasses import dataclass

ALL_EXTENSIONS = (
    *("LITERAL+", "SASL-IR", "ID", "ENABLE", "NAMESPACE", "UIDPLUS", "MOVE", "UNSELECT", "ESEARCH"),
    *("SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "CONDSTORE", "QRESYNC", "OBJECTID"),
    *("UTF8=ACCEPT", "AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER"),
)
EXTENSIONS_EXCEPT_QRESYNC = tuple(each for each in ALL_EXTENSIONS if each != "QRESYNC")
EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC = tuple(
    each for each in EXTENSIONS_EXCEPT_QRESYNC if each != "CONDSTORE"
)
GMAIL_CAPABILITY = "X-GM-EXT-1"
"""Capability name of Gmail's IMAP extensions. A server that offers it shows the mailbox as Gmail
does; see the module `gmail`."""
GMAIL_SERVER_EXTENSIONS = (
    *("LITERAL+", "SASL-IR", "ID", "ENABLE", "NAMESPACE", "UIDPLUS", "MOVE", "UNSELECT", "ESEARCH"),
    *("SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "CONDSTORE", "UTF8=ACCEPT", GMAIL_CAPABILITY),
    *("AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER"),
)
MAX_LINE_BYTES = 65_536
"""Largest size of a command without its literals. Dovecot has the same limit."""
MAX_LITERAL_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapOptions:
    """Extensions and folder names of the simulated IMAP server, for one mailbox or for all.

    extensions: names of the capabilities that the server offers. A command of any other extension
        gets the response BAD.
    prefix: text with which the names of all folders but INBOX begin, such as `INBOX.`.
    separator: character between a parent folder's name and the folder's name.
    """

    extensions: tuple[str, ...] = ALL_EXTENSIONS
    prefix: str = ""
    separator: str = "/"

    def has_extension(self, extension: str) -> bool:
        return extension in self.extensions
