"""A real Dovecot for tests, on free ports with TLS; its mail is changed by other clients."""

import base64
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from imaplib import IMAP4_SSL
from pathlib import Path
from tempfile import TemporaryDirectory

import jwt
import pytest

from localdev.reserved_port import reserve_port
from localdev.simulators.entra.certificates import open_server_tls_context

PASSWORD = 'secret "word" (1) *'
TOKEN_KEY = "the key of tokens that Dovecot accepts"
START_TIMEOUT_S = 10
MISSING = (
    "Dovecot is not installed, and this test compares with it. On Debian:"
    " apt-get install -y --no-install-recommends dovecot-imapd"
)
CONFIGURATION = """
base_dir = {data}/r
state_dir = {data}/state
log_path = {data}/dovecot.log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_home = {data}/mail/%u/home
mail_location = maildir:{data}/mail/%u
mail_fsync = never
mail_max_userip_connections = {max_connections}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
disable_plaintext_auth = yes
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {data}/passwd
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {data}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={data}/mail/%u/home
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
{mailboxes}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {starttls_port}
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service stats {{
  chroot =
}}
{capability}
"""
OAUTH2 = """introspection_mode = local
local_validation_key_dict = fs:posix:prefix={data}/keys/
username_attribute = sub
"""


@dataclass(frozen=True)
class Dovecot:
    """A running server. certificate: the file with which clients verify it. starttls_port: the port
    on which connections begin without TLS."""

    port: int
    certificate: Path
    data: Path
    starttls_port: int = 0

    def other_client(self, user: str = "ann") -> IMAP4_SSL:
        context = ssl.create_default_context(cafile=self.certificate)
        client = IMAP4_SSL("localhost", self.port, ssl_context=context)
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # APPEND writes twice
        client.login(user, PASSWORD)
        return client

    def access_token(self, user: str = "ann", *, lifetime_s: int = 3600) -> str:
        """Return a token for XOAUTH2 and OAUTHBEARER."""
        now = int(time.time())
        claims = {"sub": user, "iat": now, "exp": now + lifetime_s}
        return jwt.encode(claims, TOKEN_KEY, algorithm="HS256")

    def doveadm(self, *arguments: str, message: bytes = b"") -> str:
        """Run `doveadm`, which changes mailboxes without IMAP; return what it prints."""
        command = [*_as_owner(), "doveadm", "-c", str(self.data / "dovecot.conf"), *arguments]
        ran = subprocess.run(command, input=message, check=True, capture_output=True)
        return ran.stdout.decode()


@contextmanager
def readable_folder() -> Iterator[Path]:
    """Yield a folder that Dovecot's user reads; its path is short, for the sockets in it."""
    with TemporaryDirectory(prefix="imap", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def dovecot(
    data: Path,
    *,
    users: Sequence[str] = ("ann",),
    separator: str = "/",
    prefix: str = "",
    capability: str = "",
    mailboxes: str = "  mailbox Sent {\n    auto = create\n    special_use = \\Sent\n  }",
    max_connections: int = 50,
    certificates: Mapping[str, bytes] | None = None,
) -> Iterator[Dovecot]:
    """Run Dovecot until the end of the block.

    data: an empty folder with a short path, since sockets stand in it.
    capability: what the server advertises, instead of all that it can.
    mailboxes: the blocks `mailbox` of its configuration.
    certificates: content of `server.pem` and of `ca.pem`, instead of a valid certificate.

    Where Dovecot is not installed the test is skipped with a sentence; in CI it fails.
    """
    program = shutil.which("dovecot") or shutil.which("/usr/sbin/dovecot")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    settings = {
        "separator": separator,
        "prefix": prefix,
        "mailboxes": mailboxes,
        "capability": f"imap_capability = {capability}" if capability else "",
        "max_connections": max_connections,
    }
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o755)
    for name, content in (certificates or {}).items():
        (data / name).write_bytes(content)
    with reserve_port() as port, reserve_port() as starttls_port:
        server = Dovecot(port, data / "ca.pem", data, starttls_port)
        _configure(server, users, settings)
        command = [*_as_owner(), program, "-F", "-c", str(data / "dovecot.conf")]
        process = subprocess.Popen(command, start_new_session=True)
        try:
            if not _is_listening(server.port, process):
                pytest.fail("Dovecot does not start; its reason stands above.")
            yield server
        finally:
            # Its own shutdown takes a second, and no test reads the mail any more.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _owner() -> pwd.struct_passwd:
    """Return the user that runs the server and owns the mail; Dovecot refuses root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _as_owner() -> list[str]:
    owner = _owner()
    if os.geteuid() != 0:
        return []
    ids = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}"]
    return ["setpriv", *ids, "--clear-groups"]


def _configure(server: Dovecot, users: Sequence[str], values: Mapping[str, object]) -> None:
    data = server.data
    open_server_tls_context(data)
    owner = _owner()
    settings = {
        "data": data,
        "user": owner.pw_name,
        "group": subprocess.check_output(["id", "-gn", owner.pw_name], text=True).strip(),
        "uid": owner.pw_uid,
        "gid": owner.pw_gid,
        "certificate": data / "server.pem",
        "port": server.port,
        "starttls_port": server.starttls_port,
        **values,
    }
    (data / "dovecot.conf").write_text(CONFIGURATION.format(**settings))
    (data / "oauth2.conf").write_text(OAUTH2.format(data=data))
    key = data / "keys" / "default" / "HS256" / "default"
    key.parent.mkdir(parents=True)
    key.write_bytes(base64.b64encode(TOKEN_KEY.encode()))
    (data / "mail").mkdir()
    (data / "passwd").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}::::::\n" for user in users))
    _give_to_owner(data)


def _give_to_owner(data: Path) -> None:
    if os.geteuid() == 0:
        owner = _owner()
        for path in (data, *data.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)


def _is_listening(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server accepts connections; return False if it does not."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process.poll() is None
    return False
