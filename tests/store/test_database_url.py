"""A database URL is read as libpq reads it, or rejected without a word of it."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsync.errors import SettingMissing
from mailsync.store.database_url import ConnectionParameters, parse_database_url
from tests.store.libpq import conninfo

NASTY = "[]#?@/:%,&= +\"'\\{}|^`~<>;!$*()-._é漢"
MARKS = "QXZ"
"""Letters that no sentence of ours has: one in a sentence would be a piece of the URL."""
TEXT = st.text(st.sampled_from(MARKS + NASTY), min_size=1, max_size=8)
HOSTS = st.sampled_from(["db", "127.0.0.1", "DB-1.Example.org.", "[::1]", "[2001:db8::7]"])


def read(url: str) -> ConnectionParameters:
    return parse_database_url(url, "DATABASE_URL")


def as_libpq(target: ConnectionParameters) -> dict[str, str]:
    """The options of libpq that stand for it."""
    found = {
        "user": target.user,
        "password": target.password or "",
        "host": target.socket_dir or target.host,
        "port": str(target.port),
        "dbname": target.database,
        "options": target.server_command_line_options or "",
        "application_name": target.application_name or "",
    }
    return {name: value for name, value in found.items() if value}


def read_by_libpq(url: str) -> dict[str, str]:
    found = conninfo(url)
    assert found is not None
    compared = as_libpq(
        ConnectionParameters("u", "p", "h", 1, "d", None, False, server_command_line_options="o")
    )
    kept = {name: value for name, value in found.items() if name in {*compared, "application_name"}}
    return {"port": "5432", **kept}


@given(st.tuples(TEXT, TEXT, TEXT, TEXT), HOSTS, st.integers(1, 65535))
def test_whatever_is_percent_encoded_arrives(
    texts: tuple[str, str, str, str], host: str, port: int
) -> None:
    user, password, database, options = (quote(each, safe="") for each in texts)
    url = f"postgresql://{user}:{password}@{host}:{port}/{database}?options={options}"
    target = read(url)

    assert (
        target.user,
        target.password,
        target.database,
        target.server_command_line_options,
    ) == texts
    assert (target.host, target.port) == (host.strip("[]"), port)
    assert as_libpq(target) == read_by_libpq(url)


SPECIAL = ["[", "]", "#", "?", "@", "/", ":", "%", ",", "&", "=", " ", "\n", "é", "漢", "\u2100"]
DIRTY = st.lists(
    st.sampled_from([*MARKS, *MARKS, *SPECIAL, "%41", "%5B", "%2F", "%C3%A9", "%ff", "%00"]),
    max_size=5,
).map("".join)
CLEAN = st.sampled_from(["Q", "X[Z]", "Q%40X", "%5BZ#?", "Z=&Q"])
PART = CLEAN | CLEAN | DIRTY
PORTS = st.sampled_from(["", "", ":5432", ":1", ":", ":0", ":99999", ":Q"])
PAIRS = st.sampled_from(
    [
        *("host=/tmp", "host=Q.X", "host=", "port=7", "user=Q%25", "password=Z", "dbname=X"),
        *("sslmode=require", "ssl=true", "sslmode=Q", "options=-c%20Q%3DX", "application_name=Z"),
        *("Q=X", "Q"),
    ]
)
LOGINS = st.tuples(PART, PART).map(":".join) | PART


@st.composite
def urls(draw: st.DrawFn) -> str:
    """Mostly what an operator might write, with mistakes."""
    login = draw(LOGINS) + draw(st.sampled_from(["@", "@", "@", ""]))
    host = draw(HOSTS | HOSTS | st.sampled_from(["", "Q,X", "[Q]", "[::1", "::1"]) | DIRTY)
    path = draw(st.sampled_from(["/", "/", "/", ""])) + draw(PART)
    query = "&".join(draw(st.lists(PAIRS | PAIRS | DIRTY, max_size=3)))
    mark = draw(st.sampled_from(["?", "?", ""]))
    scheme = draw(st.sampled_from(["postgresql://"] * 4 + ["postgres://", "", "host=Q "]))
    return f"{scheme}{login}{host}{draw(PORTS)}{path}{mark}{query}"


@given(urls())
@example("postgresql://Q:X]Z@QX/Z")
@example("postgresql://Q:[XZ@QX:5432/Z")
@example("postgresql://Q:X@Z@QX/Z")
@example("postgresql://Q:X#Z?Q@XZ/Q")
@example("postgresql://Q:X\u2100Z@QX/Z")  # urlsplit: netloc contains invalid characters
@example("postgresql://Q:X@Q:XZ/Z")  # urlsplit: port could not be cast
def test_any_url_is_read_as_libpq_reads_it_or_rejected_without_a_word_of_it(url: str) -> None:
    try:
        target = read(url)
    except SettingMissing as rejected:
        shown = str(rejected)
        assert shown.startswith("DATABASE_URL ")
    else:
        shown = repr(target)
        assert as_libpq(target) == read_by_libpq(url)
    assert not set(MARKS) & set(shown)


@pytest.mark.parametrize(
    ("rest", "what_to_write"),
    [
        ("u:p@ss@h/db", "%40 for @"),
        ("u:p/w@h/db", "%2F for /"),
        ("u:p%w@h/db", "write %25"),
        ("u:p%00@h/db", "write %25"),
        ("u:p%ff@h/db", "not UTF-8"),
        ("u:p w@h/db", "as %20"),
        ("u:p@h/d/b", "second /"),
        ("u:p@h:99999/db", "number from 1 to 65535"),
        ("u:p@2001:db8::7/db", r"IPv6 address between \[ and \]"),
        ("u:p@[h]/db", r"IPv6 address, and nothing else, between \[ and \]"),
        ("u:p@h1,h2/db", "several hosts"),
        ("u:p@/db?host=h1,h2", "several hosts"),
        ("h/db", "names no user"),
        ("u:p@/db", "names no host"),
        ("u:p@h", "names no database"),
        ("u:p@h/db?sslmode", "name=value"),
        ("u:p@h/db?sslmode=on", "sslmode.*verify-full"),
        ("u:p@h/db?sslmode=disable", "unencrypted"),
        ("u:p@h/db?sslrootcert=/ca.pem", "DATABASE_CA_BUNDLE"),
        ("u:p@h/db?target_session_attrs=standby", "read-write"),
        ("u:p@h/db?channel_binding=disable", "prefer, require"),
        ("u:p@h/db?client_encoding=LATIN1", "client_encoding"),
        ("u:p@h/db?connect_timeout=soon", "connect_timeout"),
        ("u:p@h/db?hostaddr=10.0.0.1", "hostaddr, which Mailsync does not support"),
        ("u:p@h/db?pgbouncer=true", "pgbouncer, which is not one of Postgres"),
        ("u:p@h/db?secret=1", "parameter that Postgres does not know"),
    ],
)
def test_what_cannot_be_followed_is_named_with_what_to_write(rest: str, what_to_write: str) -> None:
    with pytest.raises(SettingMissing, match=what_to_write):
        read(f"postgresql://{rest}")


@pytest.mark.parametrize(
    ("host", "query", "encrypted"),
    [
        ("db.example.org", "", True),
        ("db.example.org", "?sslmode=prefer", True),
        ("localhost", "", False),
        ("LOCALHOST", "?sslmode=disable", False),
        ("[::1]", "?sslmode=allow", False),
        ("localhost", "?ssl=true", True),
        ("127.0.0.1", "?sslmode=verify-full", True),
        ("", "?host=/tmp&sslmode=require", False),
    ],
)
def test_only_this_machine_is_reached_in_the_clear(host: str, query: str, encrypted: bool) -> None:
    assert read(f"postgresql://u@{host}/db{query}").is_encrypted is encrypted


def test_the_rest_of_what_libpq_knows_is_followed() -> None:
    target = read(
        "postgresql://u@db/mail?sslmode=require&channel_binding=require&connect_timeout=3"
        "&target_session_attrs=read-write&application_name=m&sslrootcert=system&keepalives=1&"
    )

    assert target == ConnectionParameters(
        "u", None, "db", 5432, "mail", None, True, True, None, "m", connect_timeout_s=3
    )
