"""What the previous version sent, read and ran on the database; recorded, never edited.

An execution keeps the definition with which it began, and functions of the version before work
on while a deployment migrates the database. So today's functions must take these payloads and
return what these definitions read, and these statements must run on today's schema.

`release.zip` holds them, so that a search of the sources does not find those of an old release.
After a version has been deployed everywhere, `python -m tests.deploy.previous` records it.
"""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import cast

ARCHIVE = Path(__file__).with_name("release.zip")


def recorded(archive: bytes) -> Path:
    """Return the archive's root, which reads as a folder does: `/`, `read_text`, `iterdir`."""
    return cast(Path, zipfile.Path(zipfile.ZipFile(BytesIO(archive))))


_RELEASE = recorded(ARCHIVE.read_bytes())
STATEMACHINE = _RELEASE / "statemachine"
EVENTS = _RELEASE / "events"
QUERIES = _RELEASE / "queries.sql"
SEALED = _RELEASE / "sealed"
"""A database with values that were bound to their owner alone, and their key; not recorded anew."""
