"""Parse the URL of a database as libpq does.

The grammar is that of `conninfo_uri_parse` in libpq (PostgreSQL docs, 34.1.1.2 "Connection URIs"):
no part is lower-cased, `#` starts no fragment, `?` and `[` are ordinary characters of a password,
and the first `@` before a `/` ends the login. An option that libpq accepts and Mailsync does not
support is rejected by its name, and so are likely mistakes, such as an `@` in a host. No error
message quotes a part of the URL: a malformed URL may contain its password anywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address

from mailsync.errors import SettingMissing
from mailsync.settings import HOST_NAME_PATTERN, LOOPBACK_HOSTS

CONNECT_TIMEOUT_S = 10
EXAMPLE_DATABASE_URL_IN_ERRORS = "postgresql://user:password@host:5432/name"

_SCHEME = re.compile(r"postgres(?:ql)?://")
_LOGIN = re.compile(r"([^@/:]*)(?::([^@/]*))?@")
_BRACKETS = re.compile(r"\[([^\]]*)\](?=[:/?,]|\Z)")
_AFTER_HOST = re.compile(r"[:/?,]")
_PORT = re.compile(r":([^/?,]*)")
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){HOST_NAME_PATTERN}")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_NUMBER = re.compile(r"[0-9]{1,5}")
_ESCAPES = (
    "in user and password write %40 for @, %3A for :, %2F for /, %25 for % and %20 for a space"
)

_UNVERIFIED = frozenset({"disable", "allow", "prefer"})
_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
_ANY_TEXT = frozenset({"user", "password", "host", "port", "dbname"}) | frozenset(
    {"application_name", "fallback_application_name", "options", "connect_timeout"}
)
_TAKEN: Mapping[str, frozenset[str]] = {
    "channel_binding": frozenset({"prefer", "require"}),
    "client_encoding": frozenset({"auto", "UTF8", "utf8", "UTF-8", "utf-8"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "keepalives": frozenset({"1"}),
    "sslmode": _UNVERIFIED | _ENCRYPTED,
    "sslrootcert": frozenset({"system"}),
    "target_session_attrs": frozenset({"any", "primary", "read-write"}),
}
"""Options of libpq, and their values that Mailsync supports or always applies."""
_INSTEAD: Mapping[str, str] = {
    "sslrootcert": "put the authority's certificate, or the name of its file, into"
    " DATABASE_CA_BUNDLE",
    "target_session_attrs": "Mailsync writes, so name the primary: read-write",
}
_LIBPQ = re.compile(
    "hostaddr|keepalives_(?:count|idle|interval)|tcp_user_timeout|passfile|require_auth|replication"
    "|load_balance_hosts|service|servicefile|krbsrvname|gsslib|gssdelegation|requirepeer"
    "|ssl(?:cert|certmode|compression|crl|crldir|key|keylogfile|negotiation|password|sni)"
    "|ssl_(?:min|max)_protocol_version|(?:min|max)_protocol_version|scram_(?:client|server)_key"
    "|oauth_(?:issuer|client_id|client_secret|scope)"
)
_OF_OTHERS = re.compile(
    "connection_limit|pgbouncer|pool_timeout|prepared_statements|schema|sslaccept"
    "|statement_cache_size|supa|workaround"
)
"""Options that Prisma, Vercel and others add; libpq rejects them as well."""


@dataclass(frozen=True, slots=True, repr=False)
class ConnectionParameters:
    """The server, database and login that a database URL names; if `socket_dir` is set, it replaces
    host and port.

    is_encrypted: whether the connection uses TLS with a verified certificate. False: plaintext,
        only on this machine.
    requires_channel_binding: whether the login must be bound to the TLS connection
        (SCRAM-SHA-256-PLUS).
    server_command_line_options: value of the URL's parameter `options`, which the server applies at
        the login. None: the URL has no such parameter.
    connect_timeout_s: time limit in seconds for reaching the server, for the login, and for each
        BEGIN.
    """

    user: str
    password: str | None
    host: str
    port: int
    database: str
    socket_dir: str | None
    is_encrypted: bool
    requires_channel_binding: bool = False
    server_command_line_options: str | None = None
    application_name: str | None = None
    connect_timeout_s: int = CONNECT_TIMEOUT_S


class _Rejected(Exception):
    """Error: the URL is rejected. Its text follows the setting's name and never quotes the URL."""


def parse_database_url(url: str, setting: str) -> ConnectionParameters:
    """Parse a database URL; return the server, database and login that it names.

    url: the value of the setting `setting`.

    Raises:
        SettingMissing: the URL is malformed, or requests what Mailsync does not support. The
            message names the setting and says what to write.
    """
    try:
        return _target(_options(url))
    except _Rejected as rejected:
        raise SettingMissing(f"{setting} {rejected}.") from None


def _options(url: str) -> dict[str, str]:
    """Return libpq's connection options by name, decoded, without empty ones."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise _Rejected(f"must look like {EXAMPLE_DATABASE_URL_IN_ERRORS}")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise _Rejected("holds a space or a control character; write it percent-encoded, as %20")
    found, rest = {}, url[scheme.end() :]
    if login := _LOGIN.match(rest):
        found["user"], found["password"] = login[1], login[2] or ""
        rest = rest[login.end() :]
    found["host"], rest = _host_and_rest(rest)
    if port := _PORT.match(rest):
        found["port"], rest = port[1], rest[port.end() :]
    if rest.startswith(","):
        raise _Rejected("names several hosts; write one, which follows the primary")
    path, _, query = rest.partition("?")
    found["dbname"] = path.removeprefix("/")
    if "/" in found["dbname"]:
        raise _Rejected(f"has a second / after the host; {_ESCAPES}")
    decoded = {name: _decoded(value) for name, value in found.items()} | _parameters(query)
    return {name: value for name, value in decoded.items() if value}


def _host_and_rest(rest: str) -> tuple[str, str]:
    if not rest.startswith("["):
        host = _AFTER_HOST.split(rest, maxsplit=1)[0]
        return host, rest[len(host) :]
    address = _BRACKETS.match(rest)
    if address is None or not _is_ipv6(_decoded(address[1])):
        raise _Rejected("must have an IPv6 address, and nothing else, between [ and ]")
    return address[1], rest[address.end() :]


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in query.removesuffix("&").split("&") if query else []:
        if pair.count("=") != 1:
            raise _Rejected("must have name=value after the ?, and & between two of them")
        name, value = map(_decoded, pair.split("="))
        if (name, value) == ("ssl", "true"):  # as JDBC writes it; libpq reads it like this
            name, value = "sslmode", "require"
        _require_possible(name, value)
        found[name] = value
    return found


def _require_possible(name: str, value: str) -> None:
    """Raise for an unsupported option. The message quotes only names of our own lists: another name
    may be a part of a password."""
    if name in _ANY_TEXT or value in _TAKEN.get(name, ()):
        return
    if name in _TAKEN:
        instead = _INSTEAD.get(name, f"write one of {', '.join(sorted(_TAKEN[name]))}")
        raise _Rejected(f"has a value of {name} that Mailsync cannot follow; {instead}")
    if _LIBPQ.fullmatch(name):
        raise _Rejected(f"has the parameter {name}, which Mailsync does not support; remove it")
    if _OF_OTHERS.fullmatch(name):
        raise _Rejected(f"has the parameter {name}, which is not one of Postgres; remove it")
    raise _Rejected(f"has a parameter that Postgres does not know; remove it, and {_ESCAPES}")


def _decoded(text: str) -> str:
    if _PERCENT.search(text):
        raise _Rejected("has a % that starts no percent-encoded character; write %25 for it")
    parts = re.split("%([0-9A-Fa-f]{2})", text)
    octets = b"".join(
        bytes.fromhex(part) if index % 2 else part.encode() for index, part in enumerate(parts)
    )
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise _Rejected("has percent-encoded characters that are not UTF-8") from None


def _target(options: Mapping[str, str]) -> ConnectionParameters:
    for name, what in (("user", "user"), ("host", "host"), ("dbname", "database")):
        if name not in options:
            raise _Rejected(
                f"names no {what}; write {EXAMPLE_DATABASE_URL_IN_ERRORS}, or ?host=/folder for a"
                " socket"
            )
    host, socket_dir = options["host"], None
    if host.startswith("/"):
        host, socket_dir = "localhost", host
    elif "," in host:
        raise _Rejected("names several hosts; write one, which follows the primary")
    elif not _HOST_NAME.fullmatch(host) and not _is_ipv6(host):
        raise _Rejected(f"has a host that is neither a name nor an address; {_ESCAPES}")
    return ConnectionParameters(
        user=options["user"],
        password=options.get("password"),
        host=host,
        port=_port(options.get("port", "5432")),
        database=options["dbname"],
        socket_dir=socket_dir,
        is_encrypted=_is_encrypted(options.get("sslmode"), host, socket_dir),
        requires_channel_binding=options.get("channel_binding") == "require",
        server_command_line_options=options.get("options"),
        application_name=options.get("application_name", options.get("fallback_application_name")),
        connect_timeout_s=_seconds(options.get("connect_timeout", "0")) or CONNECT_TIMEOUT_S,
    )


def _is_encrypted(sslmode: str | None, host: str, socket_dir: str | None) -> bool:
    """Return whether to use TLS. Stricter than libpq: connections to other machines are always
    encrypted and verified."""
    if socket_dir:
        return False
    is_local = host.lower() in LOOPBACK_HOSTS
    if sslmode == "disable" and not is_local:
        raise _Rejected(
            "has sslmode=disable, but nothing leaves this machine unencrypted; remove it"
        )
    return sslmode in _ENCRYPTED or not is_local


def _port(text: str) -> int:
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise _Rejected(
            f"has a port that is no number from 1 to 65535; {_ESCAPES}, and put an IPv6 address"
            " between [ and ]"
        )
    return int(text)


def _seconds(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise _Rejected("has a connect_timeout that is no number of seconds")
    return int(text)


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
