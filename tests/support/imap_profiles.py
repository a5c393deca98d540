"""Profiles of well-known mail servers: what they offer, and how they misbehave.

A profile has the options of the simulated server and the rules of the scripted server before it.
Sources: captures of capabilities in public test suites, and public issue reports.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from localdev.simulators.imap.options import ImapOptions
from tests.support.field_imap import ALWAYS, FIELD_ROWS
from tests.support.gmail_imap_form import GMAIL_OPTIONS
from tests.support.scripted_imap import Rule, replacing

_USUAL = ("LITERAL+", "SASL-IR", "ID", "NAMESPACE", "UIDPLUS", "UNSELECT", "AUTH=PLAIN")
_TOKENS = ("AUTH=XOAUTH2", "AUTH=OAUTHBEARER")
_NEWER = ("ENABLE", "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "ESEARCH")


def _no_rules() -> Sequence[Rule]:
    return ()


@dataclass(frozen=True)
class ServerProfile:
    """One kind of server. rules: makes new rules, since rules count."""

    options: ImapOptions
    rules: Callable[[], Sequence[Rule]] = field(default=_no_rules)


class CappedView:
    """Shows the newest messages of a folder only, at most `most`, as Yahoo shows 10,000."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._hidden = 0

    def rules(self) -> list[Rule]:
        return [
            Rule("^(SELECT|EXAMINE)", self._opened, ALWAYS),
            Rule("^STATUS", self._counted, ALWAYS),
            Rule("^UID SEARCH", self._found, ALWAYS),
            Rule("^UID FETCH", self._fetched, ALWAYS),
        ]

    def _opened(self, found: list[bytes]) -> list[bytes]:
        exists = [int(each.split()[1]) for each in found if each.endswith(b" EXISTS")]
        self._hidden = max((exists or [0])[0] - self._most, 0)
        return replacing(r"^\* \d+ EXISTS", b"* %d EXISTS" % min((exists or [0])[0], self._most))(
            found
        )

    def _counted(self, found: list[bytes]) -> list[bytes]:
        def capped(match: re.Match[bytes]) -> bytes:
            return b"MESSAGES %d" % min(int(match[1]), self._most)

        return [re.sub(rb"MESSAGES (\d+)", capped, each) for each in found]

    def _found(self, found: list[bytes]) -> list[bytes]:
        """Cut a response to SEARCH to its newest numbers."""
        return [
            b" ".join([*each.split()[:2], *each.split()[2:][-self._most :]])
            if each.startswith(b"* SEARCH")
            else each
            for each in found
        ]

    def _fetched(self, found: list[bytes]) -> list[bytes]:
        shown = []
        for each in found:
            match = re.match(rb"\* (\d+) FETCH", each)
            if match is None:
                shown.append(each)
            elif int(match[1]) > self._hidden:
                number = int(match[1]) - self._hidden
                shown.append(b"* %d" % number + each[match.end() - len(b" FETCH") :])
        return shown


def _yahoo() -> Sequence[Rule]:
    return [
        Rule("^UID FETCH .*BODY", b"{tag} NO [UNAVAILABLE] UID FETCH Server error\r\n"),
        *CappedView(10_000).rules(),
    ]


def _exchange_online() -> Sequence[Rule]:
    throttled = b"{tag} BAD Request is throttled. Suggested Backoff Time: 500 milliseconds\r\n"
    return [
        Rule("^UID FETCH .*BODY", throttled),
        Rule("^UID FETCH", replacing(r"RFC822\.SIZE \d+", b"RFC822.SIZE 1"), ALWAYS),
    ]


def _zoho() -> Sequence[Rule]:
    return [Rule(r"^LIST .*RETURN \(SPECIAL-USE", b"{tag} BAD Invalid arguments\r\n", ALWAYS)]


def _icloud() -> Sequence[Rule]:
    return [*FIELD_ROWS[29](), *FIELD_ROWS[20](), *FIELD_ROWS[44]()]


def _yandex() -> Sequence[Rule]:
    return [*FIELD_ROWS[25](), *FIELD_ROWS[26]()]


SERVER_PROFILES = {
    "Gmail": ServerProfile(GMAIL_OPTIONS),
    "Exchange Online": ServerProfile(
        ImapOptions(
            extensions=(*(each for each in _USUAL if each != "AUTH=PLAIN"), *_TOKENS, "MOVE")
        ),
        _exchange_online,
    ),
    "iCloud": ServerProfile(
        ImapOptions(extensions=(*_USUAL, *_NEWER, "CONDSTORE", "QRESYNC")), _icloud
    ),
    "Yahoo": ServerProfile(
        ImapOptions(extensions=(*_USUAL, *_TOKENS, "MOVE", "OBJECTID", "SPECIAL-USE")), _yahoo
    ),
    "Zoho": ServerProfile(
        ImapOptions(
            extensions=(*_USUAL, "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "MOVE", "CONDSTORE")
        ),
        _zoho,
    ),
    "Yandex": ServerProfile(
        ImapOptions(extensions=(*_USUAL, *_TOKENS, "MOVE"), separator="|"), _yandex
    ),
    "Courier": ServerProfile(ImapOptions(extensions=_USUAL, prefix="INBOX.", separator=".")),
}
