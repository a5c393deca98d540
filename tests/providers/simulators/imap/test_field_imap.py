"""The rules of reports from the field make a server misbehave as the reports say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from tests.support.dovecot import PASSWORD
from tests.support.field_imap import FIELD_ROWS, PLACEHOLDER
from tests.support.imap_client import RawImap
from tests.support.mail import a_mail
from tests.support.scripted_imap import Rule, scripted_imap

LISTED = 'LIST "" *'
EVERYTHING = "UID FETCH 1:4294967295 (UID FLAGS)"
BODIES = "UID FETCH 1:* (UID BODY.PEEK[])"
CHANGED = "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 1 VANISHED)"
SEEN: dict[int, tuple[str, Callable[[bytes], bool]]] = {
    1: (CHANGED, lambda it: b"VANISHED" not in it),
    2: (CHANGED, lambda it: b"VANISHED (EARLIER) 1:4294967294" in it),
    3: ("UID SEARCH ALL", lambda it: len(it.split()) == 3),
    4: (EVERYTHING, lambda it: it == b""),
    6: ('LIST "" * RETURN (STATUS (MESSAGES))', lambda it: b"STATUS" not in it),
    7: (BODIES, lambda it: b"FETCH (UID" in it and b"BODY" not in it),
    8: (BODIES, lambda it: it.count(PLACEHOLDER) == 3),
    13: ("STATUS INBOX (UIDVALIDITY)", lambda it: b"UIDVALIDITY 4000000000" in it),
    16: ("STATUS INBOX (HIGHESTMODSEQ)", lambda it: b"HIGHESTMODSEQ 0" in it),
    17: ("UID FETCH 1:* (FLAGS MODSEQ)", lambda it: b"FETCH" in it and b"MODSEQ" not in it),
    18: ("CAPABILITY", lambda it: b"CONDSTORE" not in it and b"MOVE" in it),
    20: ("UID SEARCH ALL", lambda it: it.endswith(b" 1 2 3")),
    23: ("EXAMINE INBOX", lambda it: b"Caf\xe9 [x]/y" in it),
    24: (LISTED, lambda it: b'"Stray"' in it),
    25: ("UID SEARCH ALL", lambda it: it.split()[1:] == sorted(it.split()[1:], key=int)[::-1]),
    26: ("UID SEARCH ALL", lambda it: it.count(b"SEARCH") == 3),
    27: ("UID SEARCH RETURN (ALL) ALL", lambda it: b"ESEARCH" in it and b"UID" not in it),
    29: ("ENABLE QRESYNC", lambda it: it == b"ENABLED"),
    30: ("EXAMINE INBOX", lambda it: b"UIDVALIDITY" in it and b"UIDNEXT" not in it),
    31: ("EXAMINE INBOX", lambda it: b"[UIDVALIDITY 0]" in it),
    47: (LISTED, lambda it: b'"/" NIL' in it),
    48: (LISTED, lambda it: b'"/" Sent Items' in it),
    49: (LISTED, lambda it: b'yes\\""' in it),
    50: (LISTED, lambda it: b'"Inbox"' in it and b'"INBOX"' not in it),
    52: ("UID FETCH 1:* INTERNALDATE", lambda it: b'"00-Jan-0000 00:00:00 +0000"' in it),
}
REFUSED = {
    28: (CHANGED, "BAD", ""),
    37: ("LOGIN a b", "NO", "AUTHENTICATIONFAILED"),
    38: ("LOGIN a b", "BYE", ""),
    39: ("LOGIN a b", "NO", "ALERT"),
    40: ("NOOP", "BAD", ""),
    43: (EVERYTHING, "NO", "OVERQUOTA"),
    44: (EVERYTHING, "NO", ""),
    45: (EVERYTHING, "BYE", ""),
    19: (BODIES, "BYE", ""),
    36: (EVERYTHING, "BYE", ""),
    57: ("STARTTLS", "NO", ""),
}


def test_every_row_is_tried() -> None:
    assert SEEN.keys() | REFUSED.keys() | {32} == FIELD_ROWS.keys()


@pytest.fixture
def play(imap: ImapServer, mailbox: Mailbox, tmp_path: Path) -> Callable[..., list[bytes]]:
    """Send a command to a server of these rules; return the status, code and untagged responses."""
    for subject in ("a", "b", "c"):
        mailbox.deliver_message(a_mail(subject))

    def played(rules: list[Rule], command: str) -> list[bytes]:
        with (
            scripted_imap(tmp_path, behind=(imap.tls_port, imap.certificate)) as server,
            RawImap(server.port, server.certificate) as client,
        ):
            if not command.startswith("LOGIN"):
                client.login(mailbox.address, PASSWORD)
                client.command("ENABLE QRESYNC CONDSTORE")
                client.command("SELECT INBOX")
            server.rules += rules
            answer = client.command(command)
        return [answer.status.encode(), answer.code.encode(), b"\n".join(answer.untagged)]

    return played


@pytest.mark.parametrize("row", SEEN)
def test_the_server_answers_as_reported(play: Callable[..., list[bytes]], row: int) -> None:
    command, is_seen = SEEN[row]
    status, _, untagged = play(list(FIELD_ROWS[row]()), command)
    assert (status, is_seen(untagged)) == (b"OK", True), untagged


@pytest.mark.parametrize("row", REFUSED)
def test_the_server_refuses_as_reported(play: Callable[..., list[bytes]], row: int) -> None:
    command, status, code = REFUSED[row]
    assert play(list(FIELD_ROWS[row]()), command)[:2] == [status.encode(), code.encode()]
