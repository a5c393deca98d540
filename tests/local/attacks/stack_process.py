"""A stack as `python -m localdev up` starts it, seen from outside: its ports, URLs and files."""

import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from tests.support.up import up


@dataclass(frozen=True)
class StackProcess:
    """data: a folder that every user of this machine may enter. printed: all of it."""

    pid: int
    data: Path
    database_port: int
    printed: str

    def _printed(self, pattern: str) -> str:
        found = re.search(pattern, self.printed, re.MULTILINE)
        assert found
        return found[1]

    def url(self, name: str) -> str:
        """Return what was printed as the address of `Dashboard`, `API`, `AWS` or `Graph`."""
        return self._printed(rf"^  {name} +(\S+)")

    @property
    def token(self) -> str:
        return self._printed(r"TOKEN=(\S+)")

    @property
    def credentials(self) -> tuple[str, str]:
        key, secret = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
        return self._printed(rf"{key}=(\S+)"), self._printed(rf"{secret}=(\S+)")

    @property
    def authority(self) -> str:
        """The page on which the sign-in of a user begins."""
        return self._sign_in_page("microsoft")

    @property
    def sign_in_url(self) -> str:
        """The address that the command prints for a person to open."""
        return self._printed(r"or open (\S+)")

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def http_ports(self) -> dict[int, str]:
        """Each port of the command and of its children on which it speaks HTTP, with the scheme."""
        tls = {urlsplit(each).port for each in (self.authority, self._sign_in_page("google"))}
        ports = _listening_ports(self.pid) - {self.database_port}
        return {port: "https" if port in tls else "http" for port in ports}

    def _sign_in_page(self, provider: str) -> str:
        begun = httpx.get(f"{self.url('API')}/api/auth/{provider}", headers=self.bearer, timeout=30)
        return str(begun.headers["location"])

    def wait_for_first_sync(self) -> None:
        """Functions that it needed at the same time end with it, and their ports with them."""
        url = self.url("API") + self._printed(r"(/api/email/sync\?accountId=[^']+)")
        while httpx.get(url, headers=self.bearer, timeout=30).json()["runId"]:
            time.sleep(0.2)


@contextmanager
def stack_process(*options: str) -> Iterator[StackProcess]:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        database_port = probe.getsockname()[1]
    ports = [f"--{each}-port=0" for each in ("api", "aws", "dashboard")]
    ports += [] if "--database-url" in options else [f"--database-port={database_port}"]
    try:
        arguments = ("--data", str(folder / "data"), *ports, "--messages", "20", "--no-schedule")
        with up(*arguments, *options) as (pid, printed):
            stack = StackProcess(pid, folder / "data", database_port, printed)
            stack.wait_for_first_sync()
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listening_ports(root: int) -> set[int]:
    """Return the TCP ports on which the process and its descendants listen."""
    process, found = psutil.Process(root), set[int]()
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # a function that has just ended
            connections = each.net_connections("tcp")
            found |= {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
    return found
