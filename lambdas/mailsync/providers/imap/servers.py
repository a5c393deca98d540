"""Decide to which mail servers Mailsync connects, and find their addresses.

A person names the server of a mailbox, and could name a computer in the stage's own network
(server-side request forgery). So all IP addresses of the server must be public, unless the operator
lists the server. Mailsync then connects to one of the IP addresses that it has checked, because a
second look-up of the name could return another address.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from mailsync.errors import ProviderUnavailable, SettingMissing
from mailsync.providers.imap.address import STARTTLS_PORT, TLS_PORT, ImapMailboxLocation
from mailsync.providers.kit import MailServerUnusable
from mailsync.settings import HOST_NAME_PATTERN, SettingsSection

ANY_PUBLIC_SERVER_SETTING_VALUE = "public"
"""In the setting IMAP_SERVERS: every server with public addresses, on the ports of IMAP."""
_SERVER = re.compile(rf"({HOST_NAME_PATTERN}):([1-9][0-9]{{0,4}})")
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""NAT64: such an address leads to the IPv4 address in its last bytes (RFC 6052, RFC 8215)."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only IPv6 addresses of the public internet that are assigned; the deprecated IPv4-compatible
and site-local addresses are outside (RFC 4291, 2.4 and 2.5)."""
_REFUSED = (IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("3fff::/20"))
"""6to4 and Teredo, which lead to an IPv4 address within them (RFC 3056, RFC 4380); and addresses
for documentation (RFC 9637), which Python 3.13 takes for public."""


class ImapSettings(SettingsSection):
    @property
    def allowed_servers(self) -> "AllowedServers":
        """Return the servers to which the stage may connect, from the setting IMAP_SERVERS.

        The setting lists servers as `host:port`, separated by commas. The entry `public` permits
        every server with a public IP address too, on the ports of IMAP.

        Raises:
            SettingMissing: the setting is missing or malformed.
        """
        entries = [each.strip().lower() for each in self._required("IMAP_SERVERS").split(",")]
        listed = [each for each in entries if each != ANY_PUBLIC_SERVER_SETTING_VALUE]
        matches = [_SERVER.fullmatch(each) for each in listed]
        if not all(each and int(each[2]) < 2**16 for each in matches):
            raise SettingMissing(
                "IMAP_SERVERS must list 'public' or servers such as 'imap.example.org:993'."
            )
        return AllowedServers(
            frozenset(listed),
            is_any_public_server_allowed=ANY_PUBLIC_SERVER_SETTING_VALUE in entries,
        )


@dataclass(frozen=True, slots=True)
class AllowedServers:
    """The mail servers to which a stage connects.

    listed_servers: servers as `host:port` that the operator has named; they may have private
        addresses and any port.
    is_any_public_server_allowed: whether every server with public addresses is allowed too, on the
        ports of IMAP.
    """

    listed_servers: frozenset[str]
    is_any_public_server_allowed: bool

    @property
    def ports(self) -> frozenset[int]:
        """Return the TCP ports of the allowed servers."""
        usual = {TLS_PORT, STARTTLS_PORT} if self.is_any_public_server_allowed else set()
        return frozenset(usual | {int(each.rpartition(":")[2]) for each in self.listed_servers})

    def find_allowed_ip_addresses(self, host: str, port: int) -> Sequence[str]:
        """Look up the IP addresses of a server, and check that Mailsync may connect to each of
        them.

        Raises:
            MailServerUnusable: the stage must not connect to this server, or it does not exist.
            ProviderUnavailable: the name cannot be looked up now.
        """
        is_listed = f"{host}:{port}".lower() in self.listed_servers
        if not is_listed and not self.is_any_public_server_allowed:
            raise MailServerUnusable(
                f"Mailsync does not connect to {host} at port {port}: the operator of this stage"
                " lists the servers (IMAP_SERVERS)."
            )
        if not is_listed and port not in (TLS_PORT, STARTTLS_PORT):
            raise MailServerUnusable(
                f"Mailsync does not connect to port {port}: use {TLS_PORT}, or {STARTTLS_PORT} with"
                " STARTTLS."
            )
        addresses = _look_up(host, port)
        # Not one of them may be private: the connection goes to the first that accepts it.
        if not is_listed and not are_public_ip_addresses(addresses):
            raise MailServerUnusable(
                f"{host} has an address in a private network, to which Mailsync does not connect."
            )
        return addresses


def find_server_ip_addresses(
    servers: AllowedServers, address: ImapMailboxLocation
) -> Sequence[str]:
    """Return the IP addresses of an account's mail server.

    Raises:
        ProviderUnavailable: the server is no longer allowed, or does not exist now.
    """
    try:
        return servers.find_allowed_ip_addresses(address.host, address.port)
    except MailServerUnusable as reason:
        raise ProviderUnavailable(f"{reason} Stored mail stays readable.") from None


def are_public_ip_addresses(addresses: Iterable[str]) -> bool:
    """Return whether all these IP addresses belong to the public internet."""
    return all(_is_public(ip_address(each.partition("%")[0])) for each in addresses)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if any(address in network for network in _REFUSED):
            return False
        if address.ipv4_mapped or any(address in network for network in _TRANSLATED):
            return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast


def _look_up(host: str, port: int) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as failure:
        if failure.errno in (socket.EAI_AGAIN, socket.EAI_FAIL):
            raise ProviderUnavailable(f"The name {host} cannot be looked up now.") from None
        raise MailServerUnusable(f"There is no server {host}: correct its name.") from None
    except (UnicodeError, ValueError):
        raise MailServerUnusable(f"There is no server {host}: correct its name.") from None
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))
