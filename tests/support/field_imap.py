"""Answers of real mail servers that broke other clients, as rules for `ScriptedImap`.

Each row is a report about a server or a client; the rules contain the misbehaviour alone, and the
simulated server behind answers all else. Rows that need only a certain mailbox, such as two mails
with one Message-ID, have no rules.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from tests.support.scripted_imap import Edit, Rule, capabilities, replacing, without

ALWAYS = None
PLACEHOLDER = (
    b"From: Microsoft Exchange Server\r\nSubject: Retrieval using the IMAP4 protocol failed for the"
    b" following message: 12\r\n\r\nThe server couldn't retrieve the following message.\r\n"
)


def adding(*lines: bytes) -> Edit:
    """Return the edit that adds untagged responses before all others."""
    return lambda found: [*lines, *found]


def cutting_after(count: int) -> Edit:
    """Return the edit that keeps the first responses only; the rule then ends the connection."""
    return lambda found: found[:count]


def _bodies_replaced(content: bytes) -> Edit:
    literal = b"BODY[] {%d}\r\n%b" % (len(content), content)
    return lambda found: [
        re.sub(rb"BODY\[\] \{\d+\}\r\n.*(?=\)\Z)", lambda _: literal, each, flags=re.DOTALL)
        for each in found
    ]


def _search_lines(found: list[bytes]) -> list[bytes]:
    """Split a SEARCH response into one response for each number."""
    numbers = [word for line in found[:-1] for word in line.split()[2:]]
    return [*(b"* SEARCH " + word for word in numbers), found[-1]]


def _without_the_word_uid(found: list[bytes]) -> list[bytes]:
    """Turn SEARCH and ESEARCH responses into ESEARCH responses that do not say UID."""
    numbers = re.sub(rb"^\* (SEARCH|ESEARCH \([^)]*\)( UID)?( ALL)?)", b"", found[0]).split()
    return [b'* ESEARCH (TAG "7") ALL ' + b",".join(numbers), *found[1:]]


def _newest_first(found: list[bytes]) -> list[bytes]:
    lines = [line.split() for line in found[:-1]]
    return [*(b" ".join([*words[:2], *reversed(words[2:])]) for words in lines), found[-1]]


def _sequence_numbers_too(found: list[bytes]) -> list[bytes]:
    """Add sequence numbers to UIDs in the response to SEARCH."""
    count = len(found[0].split()) - 2
    return [found[0] + b"".join(b" %d" % number for number in range(1, count + 1)), *found[1:]]


def _unquoted_names(found: list[bytes]) -> list[bytes]:
    return [re.sub(rb'^(\* LIST \([^)]*\) "." )"(.*)"$', rb"\1\2", each) for each in found]


NO_UIDNEXT = without(r"\[UIDNEXT ")
NO_MOD_SEQ = replacing(r" MODSEQ \(\d+\)", b"")
_CHANGED = r"^UID FETCH \S+ .*CHANGEDSINCE"

FIELD_ROWS: Mapping[int, Callable[[], Sequence[Rule]]] = {
    1: lambda: [Rule(r"^UID FETCH \S*\* .*VANISHED", without(r"^\* VANISHED"), ALWAYS)],
    2: lambda: [Rule(_CHANGED, adding(b"* VANISHED (EARLIER) 1:4294967294"))],
    3: lambda: [
        Rule("^UID SEARCH", lambda found: [re.sub(rb" \d+$", b"", found[0]), *found[1:]]),
        Rule("^UID FETCH", lambda found: [*found[:-2], found[-1]]),
    ],
    4: lambda: [Rule("^UID FETCH", without(r"^\* \d+ FETCH"))],
    6: lambda: [
        *capabilities("SPECIAL-USE"),
        Rule("^LIST .*RETURN", without(r"^\* STATUS"), ALWAYS),
    ],
    7: lambda: [
        Rule(
            r"^UID FETCH .*BODY",
            lambda found: [
                re.sub(rb"(FETCH \(UID \d+).*\Z", rb"\1)", each, flags=re.DOTALL) for each in found
            ],
            ALWAYS,
        )
    ],
    8: lambda: [Rule(r"^UID FETCH .*BODY\.PEEK\[\]", _bodies_replaced(PLACEHOLDER), ALWAYS)],
    13: lambda: [
        Rule(
            "^(SELECT|EXAMINE|STATUS|LIST)",
            replacing(r"UIDVALIDITY \d+", b"UIDVALIDITY 4000000000"),
            ALWAYS,
        )
    ],
    16: lambda: [
        Rule(
            "^(SELECT|EXAMINE|STATUS|LIST)",
            replacing(r"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ 0"),
            ALWAYS,
        )
    ],
    17: lambda: [
        Rule("^(SELECT|EXAMINE)", without(r"HIGHESTMODSEQ"), ALWAYS),
        Rule("^UID FETCH", NO_MOD_SEQ, ALWAYS),
    ],
    18: lambda: capabilities("IDLE", "NAMESPACE", "UIDPLUS", "MOVE", "ID", "UNSELECT"),
    19: lambda: [Rule(r"^UID FETCH .*BODY", cutting_after(2), times=3, then="cut")],
    20: lambda: [Rule("^UID SEARCH ALL$", _sequence_numbers_too, ALWAYS)],
    23: lambda: [
        Rule(
            "^(SELECT|EXAMINE)",
            adding("* FLAGS (\\Seen a/b Caf\xe9 [x]/y $Forwarded \\SEEN)".encode("latin-1")),
            ALWAYS,
        )
    ],
    24: lambda: [
        Rule(
            "^LIST", adding(b'* LIST (\\Noselect) "/" "Parent"', b'* LIST () "/" "Stray"'), ALWAYS
        ),
        Rule('^(SELECT|EXAMINE|STATUS) "?Stray', b"{tag} NO Not a mailbox\r\n", ALWAYS),
        Rule('^(SELECT|EXAMINE|STATUS) "?Parent', b"{tag} NO Mailbox doesn't exist\r\n", ALWAYS),
    ],
    25: lambda: [
        Rule("^UID SEARCH", _newest_first, ALWAYS),
        Rule(r"^UID FETCH 1593:1580", b"{tag} BAD UID parameters!\r\n", ALWAYS),
    ],
    26: lambda: [Rule("^UID SEARCH", _search_lines, ALWAYS)],
    27: lambda: [Rule("^UID SEARCH", _without_the_word_uid, ALWAYS)],
    28: lambda: [
        Rule(r"^UID FETCH .*VANISHED", b"{tag} BAD Invalid UID Fetch modifier VANISHED\r\n", ALWAYS)
    ],
    29: lambda: [Rule("^ENABLE", replacing(r"^\* ENABLED.*", b"* ENABLED"), ALWAYS)],
    30: lambda: [
        Rule("^(SELECT|EXAMINE)", NO_UIDNEXT, ALWAYS),
        Rule("^STATUS", replacing(r"\(.*\)$", b"()"), ALWAYS),
    ],
    31: lambda: [
        Rule(
            "^(SELECT|EXAMINE|STATUS|LIST)", replacing(r"UIDVALIDITY \d+", b"UIDVALIDITY 0"), ALWAYS
        )
    ],
    32: lambda: [Rule("^UID FETCH", "silence")],
    36: lambda: [Rule(r"^UID FETCH 1:\d{3,} ", "cut", ALWAYS)],
    37: lambda: [
        Rule("^(LOGIN|AUTHENTICATE)", b"{tag} NO [AUTHENTICATIONFAILED] Invalid\r\n", ALWAYS)
    ],
    38: lambda: [
        Rule("^AUTHENTICATE", b"{tag} NO [AUTHENTICATIONFAILED] Invalid\r\n", ALWAYS),
        Rule("^LOGIN", "cut", connection=1),
    ],
    39: lambda: [
        Rule(
            "^(LOGIN|AUTHENTICATE)",
            b"{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
        )
    ],
    40: lambda: [
        Rule("^(LOGIN|AUTHENTICATE)", b"{tag} OK AUTHENTICATE completed.\r\n", ALWAYS),
        Rule(
            "^(?!LOGIN|AUTHENTICATE|GREETING)",
            b"{tag} BAD User is authenticated but not connected.\r\n* BYE Connection closed.\r\n",
            ALWAYS,
            then="cut",
        ),
    ],
    43: lambda: [
        Rule("^UID FETCH", b"{tag} NO [OVERQUOTA] Account exceeded command or bandwidth limits\r\n")
    ],
    44: lambda: [Rule("^UID FETCH", b"{tag} NO Service temporarily unavailable\r\n", times=2)],
    45: lambda: [
        Rule("^UID FETCH", b"* BYE Session invalidated - AccessTokenExpired\r\n", then="cut")
    ],
    47: lambda: [Rule("^LIST", adding(b'* LIST (\\HasNoChildren) "/" NIL'), ALWAYS)],
    48: lambda: [
        Rule("^LIST", _unquoted_names, ALWAYS),
        Rule("^LIST", adding(b'* LIST () "\\\\" Folder\\Sub 1'), ALWAYS),
    ],
    49: lambda: [Rule("^LIST", adding(b'* LIST () "/" "INBOX/say \\"yes\\""'), ALWAYS)],
    50: lambda: [Rule("^LIST", replacing('"INBOX"$', b'"Inbox"'), ALWAYS)],
    52: lambda: [
        Rule(
            "^UID FETCH",
            replacing('INTERNALDATE "[^"]*"', b'INTERNALDATE "00-Jan-0000 00:00:00 +0000"'),
        )
    ],
    57: lambda: [Rule("^STARTTLS", b"{tag} NO TLS is not available\r\n", ALWAYS)],
}
"""The rules by the number of the report in the list of the field."""
