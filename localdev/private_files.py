"""Write files that no other user of this machine can read: keys, mail, and logs."""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
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


def open_private_file_for_appending(file: Path) -> IO[bytes]:
    """Open the file for appending; set its mode to 0600 even if it exists."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")


@contextmanager
def redirect_logging_to_private_file(file: Path) -> Iterator[None]:
    """Write the records of `logging` to the file inside the `with` block.

    Otherwise Python would print warnings and errors on the terminal, such as the whole definition
    of a workflow, which moto logs when an execution fails.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with io.TextIOWrapper(open_private_file_for_appending(file), write_through=True) as out:
        handler = logging.StreamHandler(out)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
