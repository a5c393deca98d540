"""List the servers of well-known mail providers, and what a person must switch on there.

A server is found by the domain of an email address. Only the providers' own domains are listed. For
an address in a domain of its owner, the person who connects the mailbox names the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mailsync.providers.imap.address import TLS_PORT

DEFAULT_MAX_CONNECTIONS_TO_OPEN = 3
"""The maximum number of simultaneous connections to a mailbox on a server that is not in
KNOWN_SERVERS."""


@dataclass(frozen=True, slots=True)
class KnownServer:
    """The mail server of a well-known provider.

    provider_display_name: name of the provider, for people.
    domains: domains of the provider's email addresses.
    sign_in_advice: a sentence that says where a person creates a password for apps, or switches
        IMAP on.
    accepts_passwords: False: the server accepts no password of any kind; `sign_in_advice` says what
        to do instead.
    max_connections_to_open: maximum number of connections that Mailsync opens to a mailbox at the
        same time. The person's own mail programs need connections as well: Gmail accepts 15
        connections in all, Yahoo a few.
    """

    provider_display_name: str
    host: str
    domains: tuple[str, ...]
    sign_in_advice: str
    accepts_passwords: bool = True
    port: int = TLS_PORT
    max_connections_to_open: int = DEFAULT_MAX_CONNECTIONS_TO_OPEN


def _create_at(url: str) -> str:
    return f"Create a password for apps at {url}, and connect the mailbox with it."


_GMAIL = (
    "Switch on 2-step verification, create an app password at"
    " https://myaccount.google.com/apppasswords, and connect the mailbox with it."
)
_OUTLOOK = (
    "Outlook.com and Microsoft 365 accept no passwords over IMAP: connect the mailbox as one of"
    " Microsoft."
)
_YAHOO = _create_at("https://login.yahoo.com/account/security")
_AOL = _create_at("https://login.aol.com/account/security")
_ICLOUD = _create_at("https://account.apple.com, under App-Specific Passwords")
_FASTMAIL = _create_at("https://app.fastmail.com/settings/security/apps")
_ZOHO = (
    "Switch on IMAP in the settings of Zoho Mail, under Mail Accounts; with two-factor"
    " authentication, create an application-specific password at"
    " https://accounts.zoho.com/home#security/app_password."
)
_GMX = (
    "Switch on POP3 and IMAP in the settings of the mailbox; with two-factor authentication, create"
    " an application-specific password there as well."
)
_MAIL_RU = _create_at("https://account.mail.ru/user/2-step-auth/passwords")
_YANDEX = (
    "Switch on access by IMAP in the settings of Yandex Mail, under Email clients, create an app"
    " password at https://id.yandex.com/security/app-passwords, and connect the mailbox with it."
)
_QQ = (
    "Switch on IMAP/SMTP in the settings of QQ Mail, under Account, and connect the mailbox with"
    " the authorization code that QQ shows there."
)
_NETEASE = (
    "Switch on IMAP/SMTP in the settings of the mailbox, and connect the mailbox with the"
    " authorization code that is shown there."
)
KNOWN_SERVERS = (
    KnownServer(
        "Gmail",
        "imap.gmail.com",
        ("gmail.com", "googlemail.com"),
        _GMAIL,
        max_connections_to_open=5,
    ),
    KnownServer(
        "Outlook",
        "outlook.office365.com",
        (
            *("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "outlook.fr"),
            *("outlook.es", "outlook.it", "outlook.jp", "outlook.co.uk", "outlook.com.br"),
            *("hotmail.de", "hotmail.fr", "hotmail.es", "hotmail.it", "hotmail.co.uk"),
            *("hotmail.nl", "live.de", "live.fr", "live.nl", "live.it", "live.co.uk", "live.ca"),
            *("passport.com", "windowslive.com"),
        ),
        _OUTLOOK,
        accepts_passwords=False,
    ),
    KnownServer("Outlook", "imap-mail.outlook.com", (), _OUTLOOK, accepts_passwords=False),
    KnownServer(
        "Yahoo",
        "imap.mail.yahoo.com",
        (
            *("yahoo.com", "ymail.com", "rocketmail.com", "myyahoo.com", "yahoo.ca", "yahoo.de"),
            *("yahoo.es", "yahoo.fr", "yahoo.it", "yahoo.in", "yahoo.ie", "yahoo.se", "yahoo.gr"),
            *("yahoo.ro", "yahoo.pl", "yahoo.co.uk", "yahoo.co.in", "yahoo.co.id", "yahoo.co.nz"),
            *("yahoo.co.za", "yahoo.com.ar", "yahoo.com.au", "yahoo.com.br", "yahoo.com.hk"),
            *("yahoo.com.mx", "yahoo.com.ph", "yahoo.com.sg", "yahoo.com.tw", "yahoo.com.vn"),
        ),
        _YAHOO,
        max_connections_to_open=2,
    ),
    KnownServer("Yahoo", "export.imap.mail.yahoo.com", (), _YAHOO, max_connections_to_open=2),
    KnownServer("iCloud", "imap.mail.me.com", ("icloud.com", "me.com", "mac.com"), _ICLOUD),
    KnownServer(
        "Fastmail",
        "imap.fastmail.com",
        ("fastmail.com", "fastmail.fm", "fastmail.de", "fastmail.jp", "messagingengine.com"),
        _FASTMAIL,
    ),
    KnownServer("Zoho", "imap.zoho.com", ("zoho.com", "zohomail.com"), _ZOHO),
    KnownServer("Zoho", "imap.zoho.eu", ("zoho.eu", "zohomail.eu"), _ZOHO),
    KnownServer("Zoho", "imap.zoho.in", ("zoho.in", "zohomail.in"), _ZOHO),
    KnownServer("Zoho", "imappro.zoho.com", (), _ZOHO),
    KnownServer("Zoho", "imappro.zoho.eu", (), _ZOHO),
    KnownServer("Zoho", "imappro.zoho.in", (), _ZOHO),
    KnownServer("GMX", "imap.gmx.net", ("gmx.de", "gmx.net", "gmx.at", "gmx.ch"), _GMX),
    KnownServer(
        "GMX", "imap.gmx.com", ("gmx.com", "gmx.us", "gmx.co.uk", "gmx.fr", "gmx.es"), _GMX
    ),
    KnownServer("WEB.DE", "imap.web.de", ("web.de", "email.de"), _GMX),
    KnownServer(
        "AOL",
        "imap.aol.com",
        ("aol.com", "aim.com", "aol.de", "aol.co.uk"),
        _AOL,
        max_connections_to_open=2,
    ),
    KnownServer(
        "Mail.ru",
        "imap.mail.ru",
        ("mail.ru", "inbox.ru", "bk.ru", "list.ru", "internet.ru", "xmail.ru"),
        _MAIL_RU,
    ),
    KnownServer("Yandex", "imap.yandex.com", ("yandex.com",), _YANDEX),
    KnownServer(
        "Yandex",
        "imap.yandex.ru",
        ("yandex.ru", "ya.ru", "yandex.by", "yandex.kz", "yandex.ua", "narod.ru"),
        _YANDEX,
    ),
    KnownServer("QQ", "imap.qq.com", ("qq.com", "vip.qq.com", "foxmail.com"), _QQ),
    KnownServer("163", "imap.163.com", ("163.com",), _NETEASE),
    KnownServer("163", "imap.126.com", ("126.com",), _NETEASE),
    KnownServer("163", "imap.yeah.net", ("yeah.net",), _NETEASE),
)
_OF_HOST: Mapping[str, KnownServer] = {each.host: each for each in KNOWN_SERVERS}
_OF_DOMAIN: Mapping[str, KnownServer] = {
    domain: each for each in KNOWN_SERVERS for domain in each.domains
}


def find_known_server(host: str) -> KnownServer | None:
    """Return the well-known server with this host name. Return None if the server is not well
    known."""
    return _OF_HOST.get(host.lower())


def find_server_of_address(address: str) -> KnownServer | None:
    """Return the mail server of an email address, by the address's domain. Return None if the
    domain belongs to no well-known provider."""
    return _OF_DOMAIN.get(address.rpartition("@")[2].lower())
