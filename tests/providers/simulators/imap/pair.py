"""Dovecot and the simulated server side by side: the same commands, and the answers in a form that
hides what differs by right.

Both number messages as they like, so a command names a message by its subject, `{hello}`, and an
answer does as well. Mod-sequences and values of UIDVALIDITY are compared by how they relate.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from localdev.simulators.imap.options import (
    ALL_EXTENSIONS,
    EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC,
    EXTENSIONS_EXCEPT_QRESYNC,
    ImapOptions,
)
from tests.support.imap_client import Answer, RawImap

PROFILES = {
    "QRESYNC": ImapOptions(extensions=ALL_EXTENSIONS),
    "QRESYNC, INBOX. and .": ImapOptions(prefix="INBOX.", separator="."),
    "CONDSTORE, .": ImapOptions(extensions=EXTENSIONS_EXCEPT_QRESYNC, separator="."),
    "neither, INBOX/": ImapOptions(extensions=EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC, prefix="INBOX/"),
}
"""What both servers offer. Dovecot does not advertise the rest, but understands it all the same."""
SUBJECT = re.compile(rb"Subject: (\S+)")
_ADDS_MAIL = re.compile("APPEND|UID COPY|UID MOVE|RENAME")
_SKIPPED = {b"RECENT", b"FLAGS", b"CAPABILITY"}
"""RECENT: IMAP4rev2 dropped it, and the simulated server never sets it."""
_SKIPPED_CODES = {b"UNSEEN", b"PERMANENTFLAGS", b"MAILBOXID", b"NOMODSEQ", b"HIGHESTMODSEQ"}
_CODES = ("APPENDUID", "COPYUID", "MODIFIED", "READ-ONLY", "READ-WRITE", "TRYCREATE")


@dataclass
class Side:
    """One server, with the names of the messages that its UIDs have."""

    name: str
    port: int
    certificate: Path
    password: str
    user: str
    options: ImapOptions
    subjects: dict[str, dict[int, str]] = field(default_factory=dict)
    validities: dict[str, list[int]] = field(default_factory=dict)
    saved: dict[str, int] = field(default_factory=dict)
    folder: str = ""

    def connect(self) -> RawImap:
        client = RawImap(self.port, self.certificate)
        client.login(self.user, self.password)
        return client

    def real_name(self, name: str) -> str:
        """Return a folder's name with the server's prefix and separator."""
        if name.upper().partition("/")[0] == "INBOX":
            return name.replace("/", self.options.separator)
        return self.options.prefix + name.replace("/", self.options.separator)

    def observe(self, observer: RawImap) -> None:
        """Learn the subjects of all messages, through a connection of its own."""
        for line in observer.command(f'LIST "" "{self.options.prefix}*"').of_kind("LIST"):
            self._observe_folder(observer, line[3].decode())
        self._observe_folder(observer, "INBOX")

    def _observe_folder(self, observer: RawImap, folder: str) -> None:
        opened = observer.command(f'EXAMINE "{folder}"')
        if opened.status != "OK":
            return
        found = observer.command("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        for line in found.of_kind("FETCH"):
            items = dict(zip(line[2][::2], line[2][1::2], strict=True))
            match = SUBJECT.search(items[b"BODY[HEADER.FIELDS (SUBJECT)]"])
            known = self.subjects.setdefault(folder, {})
            subject = match[1].decode() if match else ""
            copies = [uid for uid, name in known.items() if name.partition("#")[0] == subject]
            if items[b"UID"] not in known:
                known[items[b"UID"]] = f"{subject}#{len(copies) + 1}" if copies else subject

    def uid(self, subject: str) -> int:
        return next(uid for uid, name in self.subjects[self.folder].items() if name == subject)

    def named(self, uids: str, folder: str | None = None) -> list[str]:
        """Return the subjects of those UIDs of a set that messages have or had, in their order."""
        ranges = [sorted(map(int, each.split(":"))) for each in uids.split(",") if each]
        known = self.subjects.get(self.folder if folder is None else folder, {})
        return [
            name
            for uid, name in sorted(known.items())
            if any(ends[0] <= uid <= ends[-1] for ends in ranges)
        ]


class _ByNumber:
    """Leaves numbers as they are, for answers with sequence numbers."""

    def named(self, numbers: str) -> list[str]:
        return [numbers]


def profiles_with(extension: str) -> list[str]:
    return [name for name, options in PROFILES.items() if options.has_extension(extension)]


class Pair:
    """The two servers. A command is sent to both, and their answers are compared."""

    def __init__(self, dovecot: Side, simulated: Side) -> None:
        self.sides = (dovecot, simulated)
        self.clients = [each.connect() for each in self.sides]
        self._observers = [each.connect() for each in self.sides]

    def close(self) -> None:
        for each in [*self.clients, *self._observers]:
            each.close()

    def assert_same_answer(
        self, command: str, literals: Sequence[bytes] = (), *, by: Sequence[RawImap] = ()
    ) -> list[Any]:
        """Send the command to both servers, and compare their answers; return the answer.

        command: `{hello}` is the UID of the message with that subject, `<Box>` is a folder's
            name with prefix and separator, and `$m` is a saved mod-sequence.
        by: other connections, one of each server.
        """
        answers = []
        for side, client in zip(self.sides, by or self.clients, strict=True):
            answer = client.command(_filled(command, side), literals)
            opened = re.match(r"(?:SELECT|EXAMINE) (\S+)", _filled(command, side))
            if opened:
                side.folder = opened[1].strip('"') if answer.status == "OK" else ""
            answers.append(answer)
        if _ADDS_MAIL.match(command):
            for side, observer in zip(self.sides, self._observers, strict=True):
                side.observe(observer)
        first, second = (
            normalised(answer, side, by_uid=not command.startswith("SEARCH "))
            for answer, side in zip(answers, self.sides, strict=True)
        )
        assert second == first, f"{command}: simulated: {second}; Dovecot: {first}"
        return first

    def assert_same_answers(self, script: str, *, others: Sequence[RawImap] = ()) -> None:
        """Send the commands of a script, one on each line; those after `@` by other clients."""
        for line in script.strip().splitlines():
            self.assert_same_answer(
                line.removeprefix("@"), by=others if line.startswith("@") else ()
            )

    def present(self, clients: Sequence[RawImap]) -> list[str]:
        """Return the subjects of the messages in the open folder, which must be alike."""
        found = []
        for side, client in zip(self.sides, clients, strict=True):
            [line] = client.command("UID SEARCH UID 1:*").of_kind("SEARCH")
            found.append(side.named(",".join(str(each) for each in line[1:])))
        assert found[0] == found[1]
        return found[0]

    def save_mod_seq(self, name: str, folder: str = "INBOX") -> None:
        """Save each server's mod-sequence of the folder for `$name`, and UIDVALIDITY for
        `$validity`."""
        for side, observer in zip(self.sides, self._observers, strict=True):
            observer.command("UNSELECT")
            command = f'STATUS "{side.real_name(folder)}" (HIGHESTMODSEQ UIDVALIDITY)'
            words = observer.command(command).of_kind("STATUS")[0][2]
            items = dict(zip(words[::2], words[1::2], strict=True))
            side.saved[name] = items[b"HIGHESTMODSEQ"]
            side.saved["validity"] = items[b"UIDVALIDITY"]

    def append_message(self, message: bytes) -> None:
        """Append a message, which has a subject of its own, to the inbox."""
        self.assert_same_answer(
            'APPEND INBOX "02-Jan-2026 10:11:12 +0000" {}', [message], by=self._observers
        )

    def append(self, *subjects: str, folder: str = "INBOX", flags: str = "") -> None:
        """Append messages that another client did not announce."""
        for subject in subjects:
            message = f"Subject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\nHello\r\n".encode()
            command = f'APPEND <{folder}> ({flags}) "02-Jan-2026 10:11:12 +0000" {{}}'
            self.assert_same_answer(command, [message], by=self._observers)


def _filled(command: str, side: Side) -> str:
    named = re.sub(r"<([^>]*)>", lambda it: f'"{side.real_name(it[1])}"', command)
    saved = re.sub(r"\$(\w+)\b(?!\w)", lambda it: str(side.saved.get(it[1], it[0])), named)
    return re.sub(r"\{([^{}]+)\}", lambda it: str(side.uid(it[1])), saved)


def normalised(answer: Answer, side: Side, *, by_uid: bool = True) -> list[Any]:
    """Return an answer without what may differ: numbers, texts, the order of responses, and in how
    many responses the items of a message stand."""
    named = side if by_uid else _ByNumber()
    lines = answer.parsed()
    found = [_normalised(line, named) for line in lines if line[1:2] != (b"FETCH",)]
    found += _fetched([line for line in lines if line[1:2] == (b"FETCH",)], side)
    code = answer.code.split(" ")
    result: list[Any] = [answer.status]
    if code[0] == "MODIFIED":
        result.append((code[0], side.named(code[1])))
    elif code[0] in _CODES:
        result.append(code[0])
    return [*result, *sorted((each for each in found if each is not None), key=repr)]


def _normalised(line: tuple[Any, ...], side: Side | _ByNumber) -> Any:
    if {*line[:2]} & _SKIPPED:
        return None
    forms = {
        b"OK": _code,
        b"NO": _code,
        b"BYE": _code,
        b"SEARCH": _searched,
        b"ESEARCH": _extended,
        b"VANISHED": lambda _, side: (
            "VANISHED",
            line[1] == (b"EARLIER",),
            side.named(_text(line[-1])),
        ),
        b"STATUS": _status,
        b"LIST": _listed,
    }
    form = forms.get(line[0])
    return form(line, side) if form else line


def _searched(line: tuple[Any, ...], side: Side | _ByNumber) -> Any:
    numbers = [str(each) for each in line[1:] if isinstance(each, int)]
    return ("SEARCH", side.named(",".join(numbers)))


def _status(line: tuple[Any, ...], _: Side | _ByNumber) -> Any:
    items = dict(zip(line[2][::2], line[2][1::2], strict=True))
    name = b"INBOX" if line[1].upper() == b"INBOX" else line[1]
    return ("STATUS", name, {key: _number(key, value) for key, value in items.items()})


def _listed(line: tuple[Any, ...], _: Side | _ByNumber) -> Any:
    shown = {each for each in line[1] if not each.lower().endswith(b"marked")}
    return ("LIST", shown, line[2], line[3])


def _code(line: tuple[Any, ...], side: Side | _ByNumber) -> Any:
    code = line[1]
    if not code or code[0] in _SKIPPED_CODES:
        return None
    if code[0] == b"COPYUID":
        return ("COPYUID", side.named(_text(code[2])))
    return (code[0], *(_number(code[0], each) for each in code[1:]))


def _extended(line: tuple[Any, ...], side: Side | _ByNumber) -> Any:
    words = [each for each in line[2:] if each != b"UID"]
    values = dict(zip(words[::2], words[1::2], strict=True))
    values.pop(b"MODSEQ", None)
    shown = {k: v if k == b"COUNT" else side.named(_text(v)) for k, v in values.items()}
    return ("ESEARCH", b"UID" in line, shown)


def _fetched(lines: Sequence[tuple[Any, ...]], side: Side) -> list[Any]:
    merged: dict[int, dict[bytes, Any]] = {}
    for line in lines:
        merged.setdefault(line[0], {}).update(zip(line[2][::2], line[2][1::2], strict=True))
    return [("FETCH", number, _items(items, side)) for number, items in merged.items()]


def _items(items: dict[bytes, Any], side: Side) -> dict[bytes, Any]:
    shown: dict[bytes, Any] = {}
    for name, value in items.items():
        match name:
            case b"UID":
                shown[name] = side.named(str(value))
            case b"FLAGS":
                shown[name] = sorted(value, key=bytes.lower)
                shown[name] = [each for each in shown[name] if each != b"\\Recent"]
            case b"MODSEQ":
                shown[name] = "a number"
            case b"INTERNALDATE":
                moment = datetime.strptime(value.decode().strip(), "%d-%b-%Y %H:%M:%S %z")
                shown[name] = moment.timestamp()
            case _:
                shown[name] = value
    return shown


def _number(name: bytes, value: Any) -> Any:
    if name in (b"UIDNEXT", b"HIGHESTMODSEQ", b"UIDVALIDITY"):
        return "a number" if isinstance(value, int) and value > 0 else value
    return value


def _text(word: Any) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)
