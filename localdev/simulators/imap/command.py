"""Parse commands of IMAP clients (RFC 3501, section 9; RFC 7888 for literals). Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LITERAL = re.compile(rb"\{(\d{1,10})(\+?)\}")
_LITERAL_AT_END = re.compile(rb"\{(\d{1,10})(\+?)\}\Z")
_ATOM = re.compile(rb'(?:[^ ()"{\[\x00-\x1f\x7f]|\[[^\]\x00-\x1f\x7f]*\])+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_TAG = re.compile(rb"([^ ()\"{%*\\+\]\x00-\x1f\x7f-\xff]{1,100})(?: +|\Z)")
_VERB = re.compile(rb"([A-Za-z]+)(?: +|\Z)")


class BadCommand(Exception):
    """A command is malformed, unknown, or not allowed in this state of the connection. The message
    is the text of the BAD response."""


class Atom(bytes):
    """An argument of a command that was sent neither in quotes nor as a literal."""


ParsedArgument = Atom | bytes | list["ParsedArgument"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a client.

    verb: name of the command in capitals, such as `UID FETCH`.
    arguments: the parsed arguments.
    arguments_text: the arguments as the client sent them, without the contents of literals.
    """

    tag: str
    verb: str
    arguments: list[ParsedArgument]
    arguments_text: str


@dataclass(frozen=True, slots=True)
class AnnouncedLiteral:
    byte_count: int
    is_synchronizing: bool


def find_announced_literal(line: bytes) -> AnnouncedLiteral | None:
    """Return the size of the literal that a line announces at its end, as `{12}` does. Return None
    if the line announces no literal, so that the command is complete."""
    match = _LITERAL_AT_END.search(line)
    return AnnouncedLiteral(int(match[1]), not match[2]) if match else None


def parse_tag(line: bytes) -> str:
    """Return the tag with which a line begins, or `*` if the line has no tag."""
    match = _TAG.match(line)
    return match[1].decode("ascii") if match else "*"


def parse_command(line: bytes, literals: Sequence[bytes]) -> Command:
    """Parse a command.

    line: the lines of the command joined, with `{size}` where a literal follows.
    literals: the contents of the literals, in the order of the command.

    Raises:
        BadCommand: the line is malformed.
    """
    match = _TAG.match(line)
    if match is None:
        raise BadCommand("Error in IMAP command received by server.")
    verb, rest = _verb(line[match.end() :])
    if verb == "UID":
        word, rest = _verb(rest)
        verb = f"UID {word}"
    arguments = _Tokens(rest, literals).read_all()
    return Command(match[1].decode("ascii"), verb, arguments, rest.decode("utf-8", "replace"))


def _verb(text: bytes) -> tuple[str, bytes]:
    """Return the word at the beginning, in capitals, and what follows. Raises BadCommand."""
    match = _VERB.match(text)
    if match is None:
        raise BadCommand("Error in IMAP command received by server.")
    return match[1].decode("ascii").upper(), text[match.end() :]


class _Tokens:
    def __init__(self, text: bytes, literals: Sequence[bytes]) -> None:
        self._text = text
        self._at = 0
        self._literals = iter(literals)

    def read_all(self) -> list[ParsedArgument]:
        """Return the arguments, which blanks separate. A list in parentheses becomes a `list`."""
        levels: list[list[ParsedArgument]] = [[]]
        while self._at < len(self._text):
            sign = self._text[self._at : self._at + 1]
            if sign == b"(":
                levels.append([])
            elif sign == b")":
                if len(levels) == 1:
                    raise BadCommand("Unexpected ')'.")
                closed = levels.pop()
                levels[-1].append(closed)
            elif sign != b" ":
                levels[-1].append(self._word())
                continue
            self._at += 1
        if len(levels) > 1:
            raise BadCommand("Missing ')'.")
        return levels[0]

    def _word(self) -> bytes:
        if match := _LITERAL.match(self._text, self._at):
            self._at = match.end()
            literal = next(self._literals, None)
            if literal is None:
                raise BadCommand("Missing literal.")
            return literal
        if match := _QUOTED.match(self._text, self._at):
            self._at = match.end()
            return re.sub(rb"\\(.)", rb"\1", match[1])
        if match := _ATOM.match(self._text, self._at):
            self._at = match.end()
            return Atom(match[0])
        raise BadCommand("Error in IMAP command: invalid characters in an argument.")


def parse_text_argument(token: ParsedArgument) -> str:
    """Return an argument as text. Raises BadCommand if the argument is a list or not UTF-8."""
    if isinstance(token, list):
        raise BadCommand("A list is not expected here.")
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCommand("An argument is not UTF-8.") from None


def parse_uppercase_text_argument(token: ParsedArgument) -> str:
    """Return an argument as text in capitals. Raises BadCommand if the argument is a list or not
    UTF-8."""
    return parse_text_argument(token).upper()


def parse_list_argument(token: ParsedArgument) -> list[ParsedArgument]:
    if not isinstance(token, list):
        raise BadCommand("A list is expected here.")
    return token


def parse_number_argument(token: ParsedArgument) -> int:
    text = parse_text_argument(token)
    if not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII):
        raise BadCommand("A number is expected here.")
    return int(text)
