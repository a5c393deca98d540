import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pg8000.native
import pytest

from localdev.engine.failure import StartFailed
from localdev.engine.postgres import Postgres


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its files are made by the first server; each test has a server of its own on them."""
    return tmp_path_factory.mktemp("postgres")


def connect(url: str) -> pg8000.native.Connection:
    socket_folder = parse_qs(urlsplit(url).query)["host"][0]
    return pg8000.native.Connection(
        "postgres", unix_sock=f"{socket_folder}/.s.PGSQL.5432", database=urlsplit(url).path[1:]
    )


def store(url: str) -> None:
    connection = connect(url)
    connection.run("CREATE TABLE IF NOT EXISTS kept AS SELECT 'mail' AS word")
    connection.close()


def stored(url: str) -> str:
    connection = connect(url)
    [[word]] = connection.run("SELECT word FROM kept")
    connection.close()
    return str(word)


def test_rows_outlive_a_killed_server_and_a_stop(folder: Path) -> None:
    with Postgres(folder) as server:
        store(server.superuser_socket_url)
        os.kill(server.pid, signal.SIGKILL)
        server.start_or_restart()
        assert stored(server.superuser_socket_url) == "mail"

    with Postgres(folder) as server:
        assert stored(server.superuser_socket_url) == "mail"


def test_a_stale_pid_of_a_living_stranger_does_not_stop_the_start(folder: Path) -> None:
    """After a container's restart the file names whatever got that pid."""
    with Postgres(folder) as server:
        store(server.superuser_socket_url)
        pid_file = server.cluster_folder / "postmaster.pid"
        left_over = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *left_over[1:]]) + "\n")

    with Postgres(folder) as server:
        assert stored(server.superuser_socket_url) == "mail"


def test_a_folder_has_one_server(folder: Path) -> None:
    with Postgres(folder), pytest.raises(StartFailed, match="used by another stack"):
        Postgres(folder).start()


def test_nobody_else_may_enter_the_socket_s_folder(folder: Path) -> None:
    with Postgres(folder) as server:
        socket_folder = Path(parse_qs(urlsplit(server.superuser_socket_url).query)["host"][0])
        assert socket_folder.stat().st_mode & 0o777 == 0o700
    assert not socket_folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's death signal")
def test_the_server_ends_when_its_supervisor_is_killed(folder: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from localdev.engine.postgres import Postgres\n"
        "server = Postgres(pathlib.Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    ran = subprocess.run([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, check=False)
    pid = int(ran.stdout)

    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and time.monotonic() < deadline:
        if not Path(f"/proc/{pid}/cmdline").read_bytes():
            break  # ended; its exit code was not read yet
        time.sleep(0.05)
    assert time.monotonic() < deadline
