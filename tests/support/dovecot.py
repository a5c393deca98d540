"""A real Dovecot for tests, on a free port with TLS; its mail is changed by another client."""

import os
import pwd
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from imaplib import IMAP4_SSL
from pathlib import Path

PASSWORD = 'secret "word" (1) *'
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
CONFIGURATION = """
base_dir = {run}
state_dir = {data}/state
log_path = {data}/dovecot.log
protocols = imap
listen = 127.0.0.1
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_home = {data}/mail/%u/home
mail_location = maildir:{data}/mail/%u
mail_max_userip_connections = 50
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {data}/passwd
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={data}/mail/%u/home
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
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
    port = 0
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


@dataclass(frozen=True)
class Dovecot:
    """A running server. certificate: the file with which clients verify it."""

    port: int
    certificate: Path
    data: Path

    def other_client(self, user: str = "ann") -> IMAP4_SSL:
        client = IMAP4_SSL(
            "localhost", self.port, ssl_context=ssl.create_default_context(cafile=self.certificate)
        )
        client.login(user, PASSWORD)
        return client

    def number_anew(self, folder: str, user: str = "ann") -> None:
        """Give the folder another UIDVALIDITY."""
        new = int(time.time()) + 1000
        command = ["doveadm", "-c", self.data / "dovecot.conf", "mailbox", "update", "-u", user]
        subprocess.run(
            [*AS_NOBODY, *command, "--uid-validity", str(new), folder],
            check=True,
            capture_output=True,
        )


@contextmanager
def dovecot(
    data: Path,
    *,
    users: Sequence[str] = ("ann",),
    separator: str = "/",
    prefix: str = "",
    capability: str = "",
) -> Iterator[Dovecot]:
    """Run Dovecot until the end of the block. capability: what it advertises instead of all."""
    data.mkdir(parents=True, exist_ok=True)
    certificate, key = _certificate(data)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (data / "passwd").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}::::::\n" for user in users))
    configuration = data / "dovecot.conf"
    configuration.write_text(
        CONFIGURATION.format(
            run=data / "r",
            data=data,
            uid=NOBODY.pw_uid,
            gid=NOBODY.pw_gid,
            certificate=certificate,
            key=key,
            port=port,
            separator=separator,
            prefix=prefix,
            capability=f"imap_capability = {capability}" if capability else "",
        )
    )
    for path in (data, *data.iterdir()):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    (data / "mail").mkdir(exist_ok=True)
    os.chown(data / "mail", NOBODY.pw_uid, NOBODY.pw_gid)
    server = subprocess.Popen(
        [*AS_NOBODY, shutil.which("dovecot") or "dovecot", "-F", "-c", configuration]
    )
    try:
        _wait_for(port)
        yield Dovecot(port, certificate, data)
    finally:
        server.terminate()
        server.wait()


def _certificate(data: Path) -> tuple[Path, Path]:
    certificate, key = data / "cert.pem", data / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        + ["-addext", "keyUsage=digitalSignature,keyCertSign", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    return certificate, key


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
