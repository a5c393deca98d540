"""Write files that no other user of this machine can read: keys, mail, and logs."""

import os
from pathlib import Path
from typing import IO


def write_private_file(file: Path, text: str) -> None:
    """Write the text to a file atomically, with mode 0600."""
    file.parent.mkdir(parents=True, exist_ok=True)
    making = file.with_name(file.name + ".making")
    making.unlink(missing_ok=True)
    with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    making.replace(file)


def open_private_file(file: Path) -> IO[bytes]:
    """Open the file for appending; set its mode to 0600 even if it exists."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")
