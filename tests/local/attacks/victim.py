"""A stack as `python -m localdev up` starts it, seen from outside: its ports, URLs and files."""

import os
import re
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.support.up import up

_LISTENING = "0A"


@dataclass(frozen=True)
class Victim:
    """data: a folder that every user of this machine may enter. printed: all of it."""

    pid: int
    data: Path
    database_port: int
    printed: str

    def url(self, name: str) -> str:
        """What the command printed as the address of `Dashboard`, `API`, `AWS` or `Graph`."""
        found = re.search(rf"^  {name} +(\S+)", self.printed, re.MULTILINE)
        assert found
        return found[1]

    @property
    def token(self) -> str:
        return self._word("TOKEN")

    @property
    def credentials(self) -> tuple[str, str]:
        return self._word("AWS_ACCESS_KEY_ID"), self._word("AWS_SECRET_ACCESS_KEY")

    def _word(self, name: str) -> str:
        found = re.search(rf"{name}=(\S+)", self.printed)
        assert found
        return found[1]

    @property
    def authority(self) -> str:
        """The page on which the sign-in of a user begins."""
        begun = httpx.get(f"{self.url('API')}/api/auth/microsoft", headers=self.bearer, timeout=30)
        return str(begun.headers["location"])

    @property
    def sign_in_url(self) -> str:
        """Which the command tells a person to open."""
        found = re.search(r"or open (\S+)", self.printed)
        assert found
        return found[1]

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def http_ports(self) -> dict[int, str]:
        """Each port of the command and of its children on which it speaks HTTP, with the scheme."""
        tls = urlsplit(self.authority).port
        ports = _listening_ports(self.pid) - {self.database_port}
        return {port: "https" if port == tls else "http" for port in ports}

    def wait_for_first_sync(self) -> None:
        """Functions that it needed at the same time end with it, and their ports with them."""
        found = re.search(r"/api/email/sync\?accountId=[^']+", self.printed)
        assert found
        url = self.url("API") + found[0]
        while httpx.get(url, headers=self.bearer, timeout=30).json()["runId"]:
            time.sleep(0.1)

    def runs_of(self, function: str) -> int:
        """How many invocations of the function have ended."""
        log = self.data / "logs" / f"{function}.log"
        return log.read_text().count("REPORT RequestId") if log.exists() else 0

    def simulated_mails(self) -> int:
        """How many the simulated mailboxes hold."""
        file = self.data / "simulators" / "microsoft.sqlite"
        with closing(sqlite3.connect(file)) as database:
            (number,) = database.execute("SELECT count(*) FROM message").fetchone()
        return int(number)


@contextmanager
def victim(*options: str) -> Iterator[Victim]:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        database_port = probe.getsockname()[1]
    ports = [f"--{each}-port=0" for each in ("api", "aws", "dashboard")]
    ports += [] if "--database-url" in options else [f"--database-port={database_port}"]
    try:
        arguments = ("--data", str(folder / "data"), *ports, "--messages", "20", "--no-schedule")
        with up(*arguments, *options) as (pid, printed):
            stack = Victim(pid, folder / "data", database_port, printed)
            stack.wait_for_first_sync()
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listening_ports(root: int) -> set[int]:
    """Of the process and its descendants, by what Linux says of their sockets."""
    inodes = {inode for pid in _descendants(root) for inode in _sockets(pid)}
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _sockets(pid: int) -> Iterator[str]:
    for each in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = os.readlink(each)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _descendants(root: int) -> set[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found
