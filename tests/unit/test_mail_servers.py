"""To which mail servers Mailsync connects, and which it knows by the domain of an address."""

import re
import socket
import time
from collections.abc import Sequence
from typing import Any

import pytest

from mailsync.errors import ProviderUnavailable, SettingMissing
from mailsync.providers.imap import transport
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.known_servers import (
    KNOWN_SERVERS,
    find_known_server,
    find_server_of_address,
)
from mailsync.providers.imap.servers import AllowedServers, ImapSettings, are_public_ip_addresses
from mailsync.providers.imap.transport import InsecureOrUnreachableServerError, open_socket
from mailsync.providers.kit import MailServerUnusable
from mailsync.settings import HOST_NAME_PATTERN

PUBLIC = AllowedServers(frozenset(), is_any_public_server_allowed=True)
PRIVATE_ADDRESSES = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254"),
    *("169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1"),
    *("192.0.2.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
    *("::ffff:0:127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1"),
    *("100::1", "2001::1", "2001:0:4136:e378::", "2001:db8::1", "2002:7f00:1::"),
    *("2002:a9fe:a9fe::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
    *("fd00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"),
)
PUBLIC_ADDRESSES = ("8.8.8.8", "142.250.1.108", "2a00:1450:400c::6d", "::ffff:8.8.8.8")
LOOPBACK_FORMS = ("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1", "localhost.")


def answering(monkeypatch: pytest.MonkeyPatch, addresses: Sequence[str]) -> None:
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (each, 993)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_addresses_that_are_not_of_the_public_internet_are_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert not are_public_ip_addresses([address])
    for mixed in ([address], ["8.8.8.8", address], [address, "2a00:1450:400c::6d"]):
        answering(monkeypatch, mixed)
        with pytest.raises(MailServerUnusable, match="private network"):
            PUBLIC.find_allowed_ip_addresses("imap.example.com", 993)


def test_public_addresses_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, PUBLIC_ADDRESSES)
    assert PUBLIC.find_allowed_ip_addresses("imap.example.com", 143) == PUBLIC_ADDRESSES


@pytest.mark.parametrize("host", LOOPBACK_FORMS)
def test_other_forms_of_a_loopback_address_are_seen_through(host: str) -> None:
    """The system's resolver takes decimal, octal and short forms, and so does the connection."""
    assert re.fullmatch(HOST_NAME_PATTERN, host)
    with pytest.raises(MailServerUnusable, match=r"private network|There is no server"):
        PUBLIC.find_allowed_ip_addresses(host, 993)


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (socket.EAI_NONAME, MailServerUnusable, "There is no server imap.example.com"),
        (socket.EAI_NODATA, MailServerUnusable, "There is no server imap.example.com"),
        (socket.EAI_AGAIN, ProviderUnavailable, "cannot be looked up now"),
    ],
)
def test_a_name_that_cannot_be_looked_up(
    monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], text: str
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise socket.gaierror(code, "failed")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(error, match=text):
        PUBLIC.find_allowed_ip_addresses("imap.example.com", 993)


@pytest.mark.parametrize("host", ["", "a..b", "x" * 64, "exämple.org", "\udcff", "a\0b"])
def test_a_malformed_name_is_no_server(host: str) -> None:
    with pytest.raises((MailServerUnusable, ProviderUnavailable)):
        PUBLIC.find_allowed_ip_addresses(host, 993)


def test_a_listed_server_may_be_private_and_on_any_port() -> None:
    servers = ImapSettings(
        {"IMAP_SERVERS": " LocalHost:1993 , imap.example.org:993"}
    ).allowed_servers
    assert "127.0.0.1" in servers.find_allowed_ip_addresses("localhost", 1993)
    for host, port in (("localhost", 993), ("127.0.0.1", 1993), ("imap.example.com", 993)):
        with pytest.raises(MailServerUnusable, match="lists the servers"):
            servers.find_allowed_ip_addresses(host, port)
    assert ImapSettings(
        {"IMAP_SERVERS": "public,localhost:1993"}
    ).allowed_servers.is_any_public_server_allowed


@pytest.mark.parametrize(
    "value",
    ["", "all", "imap.example.org", "imap.example.org:0", "a:65536", "http://a:993", "a:993;b:993"],
)
def test_a_malformed_list_of_servers_is_reported(value: str) -> None:
    with pytest.raises(SettingMissing, match="IMAP_SERVERS"):
        _ = ImapSettings({"IMAP_SERVERS": value}).allowed_servers


def test_the_well_known_servers_are_complete_and_unambiguous() -> None:
    titles = {each.provider_display_name for each in KNOWN_SERVERS}
    assert titles >= {"Gmail", "Outlook", "Yahoo", "iCloud", "Fastmail", "Zoho", "GMX", "WEB.DE"}
    assert titles >= {"AOL", "Mail.ru", "Yandex", "QQ", "163"}
    domains = [domain for each in KNOWN_SERVERS for domain in each.domains]
    assert len(domains) == len(set(domains))
    for each in KNOWN_SERVERS:
        assert re.fullmatch(HOST_NAME_PATTERN, each.host)
        assert each.port == 993
        assert each.sign_in_advice.endswith(".")
        assert find_known_server(each.host.upper()) is each
        assert all(find_server_of_address(f"Ann@{name.upper()}") is each for name in each.domains)
    assert find_server_of_address("ann@example.org") is find_server_of_address("ann") is None


def test_the_next_address_is_tried_if_one_accepts_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = ImapMailboxLocation("imap.example.com", listener.getsockname()[1], "ann")
        with open_socket(["127.0.0.2", "127.0.0.1"], where) as connected:
            assert connected.getpeername() == listener.getsockname()
        with pytest.raises(InsecureOrUnreachableServerError, match="accepts no connections"):
            open_socket(["127.0.0.2"], where)


def test_a_name_with_many_addresses_costs_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[float] = []

    def silent(_: Any, timeout: float) -> None:
        timeouts.append(timeout)
        time.sleep(timeout)  # as a network does that drops packets
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT_S", 0.4)
    with pytest.raises(InsecureOrUnreachableServerError, match="cannot be reached"):
        open_socket(["8.8.8.8"] * 1000, ImapMailboxLocation("imap.example.com", 993, "ann"))
    assert len(timeouts) == transport.MAX_IP_ADDRESSES_TRIED_PER_SERVER
    assert sum(timeouts) < 0.5
