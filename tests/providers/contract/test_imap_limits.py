"""An IMAP server that is silent, slow, endless or hangs up: an error within the time-outs, and in
little memory."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from localdev.simulators.entra.certificates import open_server_tls_context
from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.model import FeedId, FeedRef, FolderTreeReadingMode
from mailsync.providers.imap import logout, wire
from mailsync.providers.imap.failures import parse_requested_pause_s
from mailsync.providers.imap.known_servers import DEFAULT_MAX_CONNECTIONS_TO_OPEN
from mailsync.providers.imap.messages import FLAGS_FETCH_ITEMS
from mailsync.providers.imap.pieces import MESSAGE_PIECE_BYTES
from mailsync.providers.imap.provider import MAX_FAILED_FEEDS_PER_FETCH_CALL
from tests.providers.contract.played_imap import ALL, Played
from tests.providers.contract.test_imap_read_ahead import wait_until
from tests.support.dovecot import PASSWORD
from tests.support.field_imap import ALWAYS, adding
from tests.support.imap_mailbox import INBOX
from tests.support.scripted_imap import Edit, Rule

MAX_RSS_KB = 150 * 1024
LARGE_BYTES = 40_000_000
MOMENTS = ("^GREETING$", "^LOGIN", "^ENABLE", "^EXAMINE", "^UID SEARCH", "^UID FETCH")
WAYS = {
    "silence": Rule("", "silence"),
    "hangs up": Rule("", "cut"),
    "BYE": Rule("", b"* BYE Shutting down\r\n"),
    "silence in mid-line": Rule("", b"* OK half a li", then="silence"),
    "cut in mid-literal": Rule("", b'* LIST () "/" {100}\r\nabc', then="cut"),
    "silence in mid-literal": Rule("", b"* 1 FETCH (UID 1 BODY[] {100}\r\nabc", then="silence"),
    "a byte now and then": Rule("", "drip"),
    "a line without an end": Rule("", "flood"),
    "2 GB": Rule("^UID FETCH", b"* 1 FETCH (UID 1 BODY[] {2147483648}\r\n", then="flood"),
    "no IMAP": Rule("", b"HTTP/1.1 400 Bad Request\r\n\r\n", then="silence"),
    "no text": Rule("", b"\x00\xff\xfe\r\n\x80\r\n", then="silence"),
    "an unknown tag": Rule("", b"ZZZZ9 OK done\r\n", then="silence"),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_failure_is_one_of_the_server_within_its_timeout(
    played: Played, moment: str, way: str
) -> None:
    rule = WAYS[way]
    played.server.rules.append(Rule(moment, rule.reply, ALWAYS, rule.then))
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable) as raised:
        played.listed()
    assert time.monotonic() - began < 6
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    ("line", "number"),
    [(b"* 1 EXISTS\r\n", 800_000), (b"* OK %s\r\n" % (b"x" * (wire.MAX_LINE_BYTES - 10)), 5)],
    ids=["short", "long"],
)
def test_many_lines_are_too_much(played: Played, line: bytes, number: int) -> None:
    lines = line * number
    played.server.rules.append(Rule("^UID SEARCH", lines, ALWAYS, then="cut"))
    with pytest.raises(ProviderUnavailable, match="too much"):
        played.listed()


def test_a_hundred_thousand_uids_in_one_line(played: Played) -> None:
    uids = b" ".join(b"%d" % (4_000_000_000 + number) for number in range(100_000))
    assert len(uids) > 1_000_000
    reply = b"* SEARCH " + uids + b"\r\n{tag} OK done\r\n"
    played.listed()
    played.server.rules.append(Rule("^UID SEARCH", reply))
    found = played.client._connected().search("UID 1:4294967295")
    assert (len(found), found[0], found[-1]) == (100_000, 4_000_000_000, 4_000_099_999)


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        ("NO [LIMIT] Maximum number of connections from user+IP exceeded", 60),
        ("NO Maximum number of connections from user+IP exceeded", 60),
        ("NO [ALERT] Too many simultaneous connections. (Failure)", 60),
        ("NO [OVERQUOTA] Account exceeded command or bandwidth limits", 1800),
        ("NO [INUSE] Mailbox in use", 5),
        ("NO [UNAVAILABLE] UID FETCH Server error", 5),
        ("NO Service temporarily unavailable", 5),
        ("NO User is authenticated but not connected.", 300),
        ("BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds", 92.415),
        ("BAD Request is throttled. Suggested Backoff Time: 999999999 milliseconds", 3600),
        ("NO [THROTTLED] Slow down", 60),
    ],
)  # fmt: skip
def test_answers_that_ask_for_a_pause(played: Played, answer: str, pause_s: float) -> None:
    played.server.rules.append(Rule("^UID SEARCH", b"{tag} " + answer.encode() + b"\r\n"))
    with pytest.raises(ProviderThrottled) as raised:
        played.listed()
    assert raised.value.retry_after_s == pause_s


@pytest.mark.parametrize("answer", ["NO No such mailbox", "NO [AUTHENTICATIONFAILED] Invalid", ""])
def test_other_answers_ask_for_none(answer: str) -> None:
    assert parse_requested_pause_s(answer) is None


def test_a_connection_waits_for_no_acknowledgement_and_logs_out(played: Played) -> None:
    played.listed()
    used = played.client._connected()._imap.sock
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    played.client.close()
    wait_until(lambda: played.server.commands[-1][1] == "LOGOUT")
    wait_until(lambda: used.fileno() == -1)


def test_closing_waits_for_no_server(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection stays for BYE, which a closed one would answer with a reset; not for ever."""
    monkeypatch.setattr(logout, "LOGOUT_TIMEOUT_S", 1.0)
    played.server.rules.append(Rule("^LOGOUT", "silence"))
    played.listed()
    used = played.client._connected()._imap.sock
    began = time.monotonic()
    played.client.close()
    assert used.fileno() != -1
    assert time.monotonic() - began < 1.0
    wait_until(lambda: used.fileno() == -1)


def _large(total: int) -> Edit:
    """Return the edit that makes each message large: a text, and an attachment."""
    head = (
        b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n--x\r\n"
        b"Content-Disposition: attachment; filename=a.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
    )
    line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w\r\n"
    raw = (head + line * (total // len(line)))[:total]

    def edit(found: list[bytes]) -> list[bytes]:
        return [_with_piece(each, raw) for each in found]

    return edit


def _with_piece(response: bytes, raw: bytes) -> bytes:
    response = re.sub(rb"RFC822\.SIZE \d+", b"RFC822.SIZE %d" % len(raw), response)
    label = re.search(rb"BODY\[\](?:<(\d+)>)?", response)
    if label is None:
        return response
    start = int(label[1] or 0)
    piece = raw[start : start + MESSAGE_PIECE_BYTES] if label[1] else raw
    return response[: label.end()] + b" {%d}\r\n%b)" % (len(piece), piece)


LARGE: dict[str, tuple[list[Rule], object]] = {
    "a large mail": ([Rule("^UID FETCH", _large(LARGE_BYTES), ALWAYS)], ["Hello", True]),
    "a large mail of wrong size": (
        [
            Rule(r"^UID FETCH .*HEADER", lambda found: found, ALWAYS),
            Rule("^UID FETCH", _large(LARGE_BYTES), ALWAYS),
        ],
        ["Hello", True],
    ),
    "a mail that is too large": ([Rule("^UID FETCH", _large(70_000_000), ALWAYS)], "too_large"),
    "a line without an end": ([Rule("^UID FETCH", "flood", ALWAYS)], "ProviderUnavailable"),
    "2 GB": ([WAYS["2 GB"]], "ProviderUnavailable"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", LARGE)
def test_no_answer_needs_much_memory(played: Played, name: str) -> None:
    rules, expected = LARGE[name]
    played.server.rules += [Rule(each.pattern, each.reply, ALWAYS, each.then) for each in rules]
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.imap_mailbox", str(played.server.port)),
            *(played.server.certificate, played.mailbox.address, PASSWORD),
        ],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
    )
    outcome, peak_kb = json.loads(ran.stdout)
    assert outcome == expected
    assert peak_kb < MAX_RSS_KB


def test_a_server_with_too_many_connections_gets_fewer(played: Played) -> None:
    reply = b"{tag} NO [LIMIT] Maximum number of connections from user+IP exceeded\r\n"
    played.server.rules.append(Rule("^(LOGIN|AUTHENTICATE)", reply))
    before = played.client.max_requests_in_flight
    with pytest.raises(ProviderThrottled):
        played.listed()
    assert (before, played.client.max_requests_in_flight) == (
        DEFAULT_MAX_CONNECTIONS_TO_OPEN,
        DEFAULT_MAX_CONNECTIONS_TO_OPEN - 1,
    )


def test_many_messages_are_listed_with_several_commands(played: Played) -> None:
    played.listed()
    assert len(
        played.client._connected().fetch_items_by_uid(range(1, 25_001), FLAGS_FETCH_ITEMS)
    ) <= len(ALL)
    sent = [text for _, text in played.server.commands if text.endswith(FLAGS_FETCH_ITEMS)]
    assert [text.split()[2] for text in sent] == ["1:10000", "10001:20000", "20001:25000"]


def test_folders_that_fail_cost_few_logins(played: Played) -> None:
    played.server.rules.append(Rule("^UID SEARCH", "cut", ALWAYS))
    feeds = [FeedRef(FeedId(number), INBOX.folder) for number in range(1, 10)]
    with pytest.raises(ProviderUnavailable):
        played.client.fetch_next_page_of_each_feed([(feed, None) for feed in feeds], limit=10)
    assert played.server.connection_count == 2 * (MAX_FAILED_FEEDS_PER_FETCH_CALL + 1)


def test_a_folder_whose_name_is_a_command_is_never_sent(played: Played) -> None:
    name = b"a\r\nx DELETE INBOX"
    literal = b'* LIST () "/" {%d}\r\n%b' % (len(name), name)
    played.server.rules.append(Rule("^LIST", adding(literal), ALWAYS))
    listing = played.client.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)
    assert [each.role for each in listing.folders if each.remote_id == "INBOX"] == ["inbox"]
    with pytest.raises(ProviderRejected):
        played.client._connected().examine(name)
    assert not any("DELETE" in text for _, text in played.server.commands)


def test_nothing_is_believed_that_came_before_tls(tmp_path: Path) -> None:
    context, certificate = open_server_tls_context(tmp_path)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        theirs.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] Hi\r\n")
        tag = theirs.recv(1000).split()[0]
        theirs.sendall(tag + b" OK Go\r\n* CAPABILITY IMAP4rev1 EVIL\r\n")
        with context.wrap_socket(theirs, server_side=True) as secure:
            tag = secure.recv(1000).split()[0]
            secure.sendall(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + tag + b" OK\r\n")

    server = Thread(target=serve)
    server.start()
    imap = wire.SizeLimitedImap("localhost", 143, ours, lambda _: True)
    imap.starttls(ssl.create_default_context(cafile=certificate))
    server.join()
    assert imap.capabilities == ("IMAP4REV1", "AUTH=PLAIN")
    imap.shutdown()
