"""Provide a system user and a folder for the Postgres server of a stack that root has started,
because Postgres refuses to run as root.

The system user may be unable to enter the folders above the data folder, and the stack does not
change their permissions. The server's files are then in a folder under /var/lib. After the data
folder has been deleted, the next start of such a stack deletes the folder under /var/lib.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

POSTGRES_FILES_ROOT = Path("/var/lib/mailsync-postgres")
_ID_FILE = "cluster-id"


def find_or_create_system_user(name: str = "mailsync-pg") -> tuple[int, int]:
    """Return the numeric ids of the user `name` and its group; create the user if it is missing.

    If the user cannot be created, return the ids of `nobody`.
    """
    make = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    if not _exists(name) and shutil.which(make[0]):
        subprocess.run(make, check=False, capture_output=True)
    user = pwd.getpwnam(name if _exists(name) else "nobody")
    return user.pw_uid, user.pw_gid


def is_folder_reachable_by_all_users(folder: Path) -> bool:
    """Return whether every user of this machine may enter the folder and all folders above it."""
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def postgres_files_folder(folder: Path) -> Path:
    """Return the path under /var/lib for the Postgres server's files that belong to the data folder
    `folder`.

    Later calls return the same path as long as the data folder exists. Each call deletes the files
    of servers whose data folder no longer exists.
    """
    POSTGRES_FILES_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    _remove_orphans()
    id_file = folder / _ID_FILE
    if not id_file.exists():
        id_file.write_text(uuid.uuid4().hex)
    cluster = POSTGRES_FILES_ROOT / f"data-{id_file.read_text()}"
    making = cluster.with_suffix(f".{os.getpid()}")
    making.write_text(str(folder))
    making.replace(cluster.with_suffix(".folder"))  # never seen half-written
    return cluster


def copy_postgres_for_all_users(package: Path, version: str) -> Path:
    """Copy a wheel's Postgres package and its libraries to a folder in which every user can run it;
    return the copy's path. An existing copy of `version` is used again."""
    home = POSTGRES_FILES_ROOT / version
    if not home.exists():
        POSTGRES_FILES_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=POSTGRES_FILES_ROOT))
        making.chmod(0o755)
        shutil.copytree(
            package / "pginstall18", making / package.name / "pginstall18", symlinks=True
        )
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, making / libraries.name)
        try:
            making.rename(home)
        except OSError:  # another process was faster
            shutil.rmtree(making)
    return home / package.name


def _remove_orphans() -> None:
    for note in POSTGRES_FILES_ROOT.glob("data-*.folder"):
        try:
            id_file = Path(note.read_text()) / _ID_FILE
            wanted = id_file.exists() and f"data-{id_file.read_text()}" == note.stem
        except FileNotFoundError:  # another process removes it
            continue
        if not wanted:
            shutil.rmtree(note.with_suffix(""), ignore_errors=True)
            note.unlink(missing_ok=True)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
