"""Read the same mailbox by `mbsync`, and by a client that only receives it."""

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.imap.ours import USER
from tests.support.dovecot import PASSWORD

_CONFIGURATION = """
FSync {fsync}

IMAPAccount bench
Host localhost
Port {port}
User {user}
PassCmd "cat {folder}/password"
SSLType IMAPS
CertificateFile {ca_file}
PipelineDepth {depth}

IMAPStore far
Account bench

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Sync Pull
SyncState *
"""
_BUFFER_BYTES = 2**20


def mbsync(folder: Path, port: int, ca_file: Path, *, fsync: bool, depth: int) -> dict[str, Any]:
    """Mirror the mailbox into an empty Maildir; return the messages and the seconds.

    depth: commands on the way at a time; 0: any number (`PipelineDepth`).
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mail").mkdir(parents=True)
    (folder / "password").write_text(PASSWORD)
    values = {"user": USER, "port": port, "folder": folder, "ca_file": ca_file}
    configuration = folder / "mbsyncrc"
    configuration.write_text(
        _CONFIGURATION.format(fsync="yes" if fsync else "no", depth=depth or "", **values).replace(
            "PipelineDepth \n", ""
        )
    )
    began = time.perf_counter()
    subprocess.run(["mbsync", "-q", "-c", str(configuration), "all"], check=True)
    wall_s = time.perf_counter() - began
    messages = sum(1 for each in folder.rglob("*") if each.parent.name in ("cur", "new"))
    shutil.rmtree(folder)
    return {"messages": messages, "wall_s": wall_s}


def receive_only(port: int, ca_file: Path, folders: int) -> dict[str, Any]:
    """Receive all messages with one FETCH per folder, and discard them: the bound of one
    connection to this server over this link. Return the bytes and the seconds."""
    began = time.perf_counter()
    context = ssl.create_default_context(cafile=ca_file)
    plain = socket.create_connection(("127.0.0.1", port))
    received, buffer = 0, memoryview(bytearray(_BUFFER_BYTES))
    names = ["INBOX", *(f'"Folder {number}"' for number in range(folders))]
    password = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.recv_into(buffer)
        for number, command in enumerate(
            [f'LOGIN {USER} "{password}"']
            + [
                each
                for name in names
                for each in (f"EXAMINE {name}", "UID FETCH 1:* (BODY.PEEK[])")
            ]
        ):
            tag = f"t{number} ".encode()
            connection.sendall(tag + command.encode() + b"\r\n")
            received += _receive_until(connection, buffer, b"\r\n" + tag)
    return {"bytes": received, "wall_s": time.perf_counter() - began}


def _receive_until(connection: ssl.SSLSocket, buffer: memoryview, tag: bytes) -> int:
    """Receive up to the last line, which begins with the tag; return the bytes."""
    received, end = 0, b"\r\n"
    while True:
        size = connection.recv_into(buffer)
        assert size, "the server closed the connection"
        received += size
        end = (end + bytes(buffer[max(0, size - 500) : size]))[-1000:]
        at = end.rfind(tag)
        if at >= 0 and end.endswith(b"\r\n"):
            assert end[at + len(tag) :].startswith(b"OK"), end[at:]
            return received
