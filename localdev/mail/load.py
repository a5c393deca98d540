"""Read the user's own mail from an mbox file, a Maildir, a folder of .eml files, or one .eml file.

No message is dropped silently. A malformed message is read as far as possible and reported as an
oddity; a message that cannot be loaded is reported with the cause. No content of a file raises an
error.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from errno import EINVAL
from mmap import ACCESS_READ, mmap
from pathlib import Path
from stat import S_ISREG

from localdev.mail.item import MailItem
from localdev.mail.mbox import (
    BytesOrMmap,
    has_mail_header,
    is_mbox,
    split_mbox,
    strip_bom_and_blank_lines,
)
from localdev.mail.modified_utf7 import decode_modified_utf7
from localdev.mail.parse import parse_mail_and_find_malformations
from localdev.mail.wire_form import convert_message_to_wire_bytes
from mailsync.mime.charsets import guess_charset_and_decode

_MAILDIR_PARTS = ("cur", "new")
_STATUS = re.compile(rb"^Status:(.*)$", re.MULTILINE)
_FLAGS = re.compile(r"[:;!]2,([A-Za-z]*)$")
_NO_HEADER = "no header that mail has"
_COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""The first bytes of compressed files, and the names of the programs that unpack them."""


@dataclass(frozen=True, slots=True)
class MailFileProblemDescription:
    """A problem with a message of the user's mail files.

    location: the file and, in an mbox file, the message's number and position in bytes.
    cause: why the message was not loaded, or what is odd about a message that was loaded.
    """

    location: str
    cause: str

    def __str__(self) -> str:
        """Return the problem on one line, even if the file's name contains line ends."""
        return re.sub(r"[^\S ]|[\x00-\x1f\x7f]", "?", f"{self.location}: {self.cause}")


@dataclass(slots=True)
class LazilyLoadedMail:
    """The user's mail. Files are read, and both lists grow, while the caller iterates over `items`.

    problems_of_skipped_mail: messages that were not loaded.
    problems_of_loaded_mail: messages that were loaded although they are malformed.
    """

    items: Iterator[MailItem]
    problems_of_skipped_mail: list[MailFileProblemDescription] = field(default_factory=list)
    problems_of_loaded_mail: list[MailFileProblemDescription] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _RawMail:
    source: str
    content: bytes
    folder: tuple[str, ...] = ()
    is_read: bool = True
    oddity: str = ""


def load_mail_lazily(path: Path, *, keeps_originals: bool = False) -> LazilyLoadedMail:
    """Return the mail at the path. The files are read while the caller iterates over the messages.

    keeps_originals: whether `MailItem.original` has the bytes of each message, as a mail server
        transmits them.

    Raises:
        FileNotFoundError: the path does not exist.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is neither an mbox file nor a folder of mail.")
    loaded = LazilyLoadedMail(iter(()))
    loaded.items = _items(path, loaded, keeps_originals=keeps_originals)
    return loaded


def _items(path: Path, loaded: LazilyLoadedMail, *, keeps_originals: bool) -> Iterator[MailItem]:
    files = _folder if path.is_dir() else _single_file
    for mail in files(path, loaded.problems_of_skipped_mail):
        if not mail.content.strip():
            loaded.problems_of_skipped_mail.append(
                MailFileProblemDescription(mail.source, "empty message")
            )
        elif not has_mail_header(mail.content):
            loaded.problems_of_skipped_mail.append(
                MailFileProblemDescription(mail.source, f"it has {_NO_HEADER}")
            )
        elif item := _item(mail, loaded):
            yield (
                replace(item, original=convert_message_to_wire_bytes(mail.content))
                if keeps_originals
                else item
            )


def _item(mail: _RawMail, loaded: LazilyLoadedMail) -> MailItem | None:
    try:
        item, oddities = parse_mail_and_find_malformations(
            mail.content, folder=mail.folder, is_read=mail.is_read
        )
    except Exception as failure:
        # The standard library's parsers raise undocumented errors on malformed bytes. One such
        # message must not prevent the loading of the others.
        loaded.problems_of_skipped_mail.append(
            MailFileProblemDescription(mail.source, f"{type(failure).__name__}: {failure}")
        )
        return None
    if odd := [each for each in (mail.oddity, *oddities) if each]:
        loaded.problems_of_loaded_mail.append(
            MailFileProblemDescription(mail.source, "; ".join(odd))
        )
    return item


def _single_file(path: Path, problems: list[MailFileProblemDescription]) -> Iterator[_RawMail]:
    return _messages(path, path.name, (), problems)


def _folder(path: Path, problems: list[MailFileProblemDescription]) -> Iterator[_RawMail]:
    def unreadable(error: OSError) -> None:
        problems.append(MailFileProblemDescription(_shown(error.filename), _unreadable(error)))

    for name, folders, files in os.walk(path, onerror=unreadable):
        folders.sort()
        parent = Path(name)
        parts = tuple(_shown(each) for each in parent.relative_to(path).parts)
        for link in (each for each in folders if (parent / each).is_symlink()):
            source = "/".join([*parts, _shown(link)])
            problems.append(
                MailFileProblemDescription(
                    source, "it is a link to a folder, which is not followed"
                )
            )
        read = _maildir_message if _is_maildir_part(parent) else _file_of_folder
        for file in sorted(files):
            source = "/".join([*parts, _shown(file)])
            yield from read(parent / file, source, parts, problems)


def _is_maildir_part(folder: Path) -> bool:
    return folder.name in _MAILDIR_PARTS and (folder.parent / "cur").is_dir()


def _file_of_folder(
    path: Path, source: str, parts: tuple[str, ...], problems: list[MailFileProblemDescription]
) -> Iterator[_RawMail]:
    if path.suffix.lower() == ".eml":
        yield from _messages(path, source, parts, problems)
        return
    # A Maildir also contains files of the mail server, and messages in delivery (`tmp`).
    is_of_maildir = (path.parent / "cur").is_dir() or (path.parent.parent / "cur").is_dir()
    if not is_of_maildir and not path.name.startswith("."):
        problems.append(MailFileProblemDescription(source, "its name does not end with .eml"))


def _maildir_message(
    path: Path, source: str, parts: tuple[str, ...], problems: list[MailFileProblemDescription]
) -> Iterator[_RawMail]:
    flags = _FLAGS.search(path.name)
    is_read = flags is not None and "S" in flags[1]
    try:
        content = strip_bom_and_blank_lines(_regular(path).read_bytes())
    except OSError as error:
        problems.append(MailFileProblemDescription(source, _unreadable(error)))
        return
    yield _RawMail(source, content, _maildir_folder(parts[:-1]), is_read)


def _messages(
    path: Path, source: str, folder: tuple[str, ...], problems: list[MailFileProblemDescription]
) -> Iterator[_RawMail]:
    """Yield the messages of an mbox file, or the one message of any other file."""
    try:
        with _regular(path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                problems.append(MailFileProblemDescription(source, "empty message"))
                return
            with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
                packed = [
                    name for first, name in _COMPRESSIONS.items() if content[:6].startswith(first)
                ]
                if packed:
                    cause = f"it is compressed ({packed[0]}): unpack it first"
                    problems.append(MailFileProblemDescription(source, cause))
                elif path.suffix.lower() == ".eml" and not is_mbox(content):
                    yield _RawMail(source, strip_bom_and_blank_lines(content), folder)
                else:
                    yield from _mbox(content, source, folder, problems)
    except OSError as error:
        problems.append(MailFileProblemDescription(source, _unreadable(error)))


def _mbox(
    content: BytesOrMmap,
    source: str,
    folder: tuple[str, ...],
    problems: list[MailFileProblemDescription],
) -> Iterator[_RawMail]:
    number = 0
    for number, piece in enumerate(split_mbox(content), start=1):
        if number == 1 and not (is_mbox(content) or has_mail_header(content)):
            before = f"{source} (bytes 0 to {piece.byte_offset_in_file})"
            problems.append(
                MailFileProblemDescription(before, 'it stands before the first "From " line')
            )
        status = _STATUS.search(piece.content[:20_000])
        is_read = status is None or b"R" in status[1]
        name = f"{source}#{number} (byte {piece.byte_offset_in_file})"
        yield _RawMail(name, piece.content, folder, is_read, piece.malformation_description)
    if not number:
        cause = f'it has no line that begins with "From ", and {_NO_HEADER}'
        problems.append(MailFileProblemDescription(source, cause))


def _regular(path: Path) -> Path:
    """Return the path if it is a regular file: reading a pipe might never end. Raises OSError."""
    if not S_ISREG(path.stat().st_mode):
        raise OSError(EINVAL, "it is no regular file")
    return path


def _unreadable(error: OSError) -> str:
    return f"it cannot be read ({error.strerror})"


def _maildir_folder(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return a folder's path: Maildir++ stores `Projects/Entwürfe` as `.Projects.Entw&APw-rfe`."""
    return tuple(decode_modified_utf7(name) for part in parts for name in part.split(".") if name)


def _shown(name: str) -> str:
    """Return a file's name as printable text; Linux permits any bytes in it."""
    return guess_charset_and_decode(os.fsencode(name))[0]
