"""A real PgBouncer in transaction mode in front of a test's server."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from localdev.reserved_port import reserve_port

SETTINGS = """[databases]
* = host={socket_folder} port=5432 user={login} pool_size={pool_size}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
{more}
"""


def program() -> str:
    """PgBouncer's path; without it the test is skipped here and fails in CI, which installs it."""
    found = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if found:
        return found
    sentence = "PgBouncer is missing; on Debian: apt-get install pgbouncer"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@contextmanager
def pooled(
    database_url: str, folder: Path, *, pool_size: int, settings: tuple[str, ...] = ()
) -> Iterator[str]:
    """The URL of the same database and login through the pooler.

    settings: of the pooler, as `name = value`; they win over those above.
    """
    url = urlsplit(database_url)
    login = url.username
    socket_folder = Path(parse_qs(url.query)["host"][0])
    values = {"login": login, "socket_folder": socket_folder, "more": "\n".join(settings)}
    config = folder / "pgbouncer.ini"
    with reserve_port() as port:
        config.write_text(SETTINGS.format(port=port, pool_size=pool_size, **values))
        with _running(config, socket_folder, port):
            yield f"postgresql://{login}@127.0.0.1:{port}{url.path}"


@contextmanager
def _running(config: Path, socket_folder: Path, port: int) -> Iterator[None]:
    # The socket's folder is open to the server's own user alone; PgBouncer refuses to be root.
    owner = socket_folder.stat()
    is_root = os.geteuid() == 0
    with config.open() as opened:
        process = subprocess.Popen(
            [program(), "-q", f"/dev/fd/{opened.fileno()}"],
            pass_fds=[opened.fileno()],
            cwd="/",
            user=owner.st_uid if is_root else None,
            group=owner.st_gid if is_root else None,
        )
    try:
        _wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("PgBouncer does not listen.")
