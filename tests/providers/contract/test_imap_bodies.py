"""Whole messages over IMAP from servers that misbehave: what they deliver is stored, and what they
do not deliver is recorded, is gone, or is requested later."""

import re
from collections.abc import Sequence
from contextlib import closing

import pytest

from localdev.simulators import Simulators
from mailsync.errors import ProviderThrottled, ProviderUnavailable
from mailsync.model import RemoteId
from mailsync.providers import ResponseTooLarge
from mailsync.providers.imap import bodies
from mailsync.providers.imap.pieces import MAX_MESSAGE_BYTES
from mailsync.providers.response_memory import ResponseMemoryBudget
from tests.providers.contract.played_imap import ALL, Played
from tests.support.dovecot import PASSWORD
from tests.support.field_imap import ALWAYS, FIELD_ROWS, adding, cutting_after
from tests.support.imap_mailbox import INBOX, open_imap_mailbox
from tests.support.imap_profiles import SERVER_PROFILES
from tests.support.mail import a_mail
from tests.support.scripted_imap import Edit, Rule, replacing, without

BODY = r"^UID FETCH .*BODY\.PEEK\[\]"


ROWS_OF_LISTS = (4, 17, 18, 19, 20, 23, 25, 26, 27, 30, 31, 32, 44, 45, 52)
ROWS: dict[int, list[str] | tuple[str, float | None]] = {
    4: ALL,
    7: ["unanswered"] * 3,
    8: ["unanswered"] * 3,
    19: ALL,
    32: ALL,
    43: ("ProviderThrottled", 1800.0),
    44: ALL,
    45: ALL,
}


@pytest.mark.parametrize("row", ROWS_OF_LISTS)
def test_every_message_is_stored_in_the_end(played: Played, row: int) -> None:
    played.server.rules += FIELD_ROWS[row]()
    assert played.stored() == ALL


@pytest.mark.parametrize("row", ROWS)
def test_rows_of_the_field(played: Played, row: int) -> None:
    ids = played.listed()
    played.server.rules += FIELD_ROWS[row]()
    expected = ROWS[row]
    if isinstance(expected, list):
        assert played.fetched(ids) == expected
    else:
        with pytest.raises(ProviderThrottled) as raised:
            played.fetched(ids)
        assert (raised.type.__name__, raised.value.retry_after_s) == expected


@pytest.mark.parametrize("name", SERVER_PROFILES)
def test_each_well_known_server_delivers_all(
    played: Played, running_imap: Simulators, name: str
) -> None:
    assert running_imap.imap
    running_imap.imap.options_by_user_id[played.mailbox.user_id] = SERVER_PROFILES[name].options
    played.server.rules += SERVER_PROFILES[name].rules()
    assert played.stored() == ALL


def _split(found: list[bytes]) -> list[bytes]:
    """Send the items of each message in two responses, the newest message first."""
    parts = []
    for each in reversed(found[:-1]):
        head, _, rest = each.partition(b" FLAGS (")
        flags, _, tail = rest.partition(b")")
        uid = re.search(rb"\* \d+ FETCH \(UID \d+", each)
        assert uid
        parts += [head + tail, uid[0] + b" FLAGS (" + flags + b"))"]
    return [*parts, found[-1]]


NOISE = (
    b"* 4 EXISTS",
    b"* 1 FETCH (FLAGS (\\Seen))",
    b"* 2 FETCH (UID 900 FLAGS () BODY[] {3}\r\nabc)",
    b"* 9 EXPUNGE",
    b'* OK [ALERT] "Maintenance" at (5',
    b"* STATUS Caf\xe9 (MESSAGES 1)",
    b"* X-NEWS ({3}\r\n)( )",
    b"",
)
ODD: dict[str, tuple[str, Edit]] = {
    "unsolicited responses": (BODY, adding(*NOISE)),
    "items in two responses, another order": (BODY, _split),
    "lower case": (BODY, replacing(r"\bFETCH\b", b"fetch")),
    "no flags": (BODY, replacing(r" FLAGS \([^)]*\)", b"")),
    "odd flags": (
        BODY,
        replacing(r"FLAGS \([^)]*\)", b'FLAGS (a/b Caf\xe9 [x]/y "q {u} \\\\SEEN)'),
    ),
    "sizes that are wrong": (r"^UID FETCH", replacing(r"RFC822\.SIZE \d+", b"RFC822.SIZE 1")),
    "sizes that are no numbers": (r"^UID FETCH", replacing(r"RFC822\.SIZE \d+", b"RFC822.SIZE -")),
    "impossible date": (
        BODY,
        replacing('INTERNALDATE "[^"]*"', b'INTERNALDATE "31-Feb-0000 25:00:00 +9999"'),
    ),
    "no date": (BODY, replacing('INTERNALDATE "[^"]*"', b"INTERNALDATE NIL")),
    "UIDs that do not exist": (
        r"^UID SEARCH",
        replacing(r"SEARCH( \d+.*)", rb"SEARCH\1\1 0 4294967294 4294967299"),
    ),
    "a mod-sequence after the UIDs": (r"^UID SEARCH", replacing(r"$", b" (MODSEQ 9)")),
    "UIDs as ESEARCH": (
        r"^UID SEARCH",
        replacing(r"\* SEARCH (\d+) (\d+) (\d+)", rb"* ESEARCH UID ALL \1:\2\r\n* ESEARCH ALL \3"),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_responses_are_understood(played: Played, name: str) -> None:
    pattern, edit = ODD[name]
    played.server.rules.append(Rule(pattern, edit, ALWAYS))
    assert played.fetched(played.listed()) == ALL
    assert len(played.server.commands) < 15


NOT_CONVERTED = b"{tag} NO Cannot convert\r\n"
NOT_NOW = b"{tag} NO [UNAVAILABLE] UID FETCH Server error\r\n"
IN_MID_LITERAL = b"* 2 FETCH (UID 2 BODY[] {400}\r\nFrom: "
TWO_GIGABYTES = b"* 2 FETCH (UID 2 BODY[] {2147483648}\r\nabc"


def _one_bad(name: str, uids: Sequence[int]) -> list[Rule]:
    """Return the rules of a server that does not deliver the second of three messages."""
    first, second, third = uids
    sets = f"{first}:{second}|{first}:{third}|{second}:{third}|{second}"
    with_it, alone = (rf"^UID FETCH ({each}) .*BODY\.PEEK\[\]" for each in (sets, second))
    body = rf"(?s)(UID {second} .*)BODY\[\](?:<\d+>)? \{{.*\)"
    rules: dict[str, list[Rule]] = {
        "NO": [Rule(with_it, NOT_CONVERTED, ALWAYS)],
        "NO that sounds temporary": [Rule(with_it, NOT_NOW, ALWAYS)],
        "BYE": [Rule(with_it, b"* BYE Internal error\r\n", ALWAYS)],
        "cut": [Rule(with_it, "cut", ALWAYS)],
        "cut after the first": [
            Rule(with_it, cutting_after(1), 1, then="cut"),
            Rule(alone, "cut", ALWAYS),
        ],
        "cut in mid-literal": [Rule(with_it, IN_MID_LITERAL, ALWAYS, then="cut")],
        "silence": [
            Rule(with_it, cutting_after(1), 1, then="silence"),
            Rule(alone, "silence", ALWAYS),
        ],
        "malformed": [Rule(BODY, replacing(rf"(UID {second} )", rb'\1X "'), ALWAYS)],
        "NIL": [Rule(BODY, replacing(body, rb"\1BODY[] NIL)"), ALWAYS)],
        "empty text": [Rule(BODY, replacing(body, rb'\1BODY[] "")'), ALWAYS)],
        "no text": [Rule(BODY, replacing(body, rb"\1X NIL)"), ALWAYS)],
        "2 GB": [
            Rule(rf"{second} .*<{MAX_MESSAGE_BYTES}\.1>", replacing(r"\{0\}\r\n", b'"x"'), ALWAYS),
            Rule(with_it, TWO_GIGABYTES, ALWAYS, then="flood"),
        ],
    }
    return rules[name]


BAD = (
    *("NO", "NO that sounds temporary", "BYE", "cut", "cut after the first", "cut in mid-literal"),
    *("silence", "malformed", "NIL", "empty text", "no text", "2 GB"),
)


@pytest.mark.parametrize("name", BAD)
def test_one_bad_message_does_not_stop_the_others(played: Played, name: str) -> None:
    ids = played.listed()
    played.server.rules += _one_bad(name, [int(each.rpartition(":")[2]) for each in ids])
    cause = "too_large" if name == "2 GB" else "unanswered"
    assert played.fetched(ids) == ["a", cause, "c"]
    assert played.fetched(ids[1:2]) == [cause], "requested alone, as messages in quarantine are"
    assert played.server.connection_count < 12


INVENTED = (
    b"From: System Administrator <root@localhost>\r\nSubject: message unavailable\r\n\r\nGone.\r\n"
)
GONE = {
    "Dovecot: NIL": b"BODY[] NIL",
    "Courier: another mail": b"BODY[] {%d}\r\n%b" % (len(INVENTED), INVENTED),
    "others: no text": b"X NIL",
    "Cyrus: NO": None,
}


@pytest.mark.parametrize("server", GONE)
def test_a_message_that_is_gone_is_gone_whatever_the_server_answers(
    played: Played, server: str
) -> None:
    ids = played.listed()
    gone = ids[1].rpartition(":")[2]
    text = GONE[server]
    reply: Edit | bytes = NOT_CONVERTED
    if text is not None:
        reply = replacing(rf"(?s)(UID {gone} .*)BODY\[\] .*\)", rb"\1" + text + b")")
    with_it = rf"^UID FETCH (\d+:\d+|{gone}) .*PEEK\[\]" if text is None else BODY
    played.server.rules += [
        Rule(with_it, reply, ALWAYS),
        Rule(rf"^UID FETCH {gone} \(UID FLAGS\)", without("FETCH"), ALWAYS),
        Rule(f"^UID SEARCH UID {gone}:{gone}", replacing(r"SEARCH \d+", b"SEARCH"), ALWAYS),
    ]
    assert played.fetched(ids) == ["a", "gone", "c"]


def test_a_mail_that_only_looks_invented_is_stored(played: Played) -> None:
    played.mailbox.deliver_message(a_mail("message unavailable"))
    assert played.fetched(played.listed()) == [*ALL, "message unavailable"]


def test_two_mails_with_one_message_id_are_two(played: Played) -> None:
    for subject in ("d", "e"):
        played.mailbox.deliver_message(a_mail(subject, internet_message_id="<one@example.com>"))
    assert played.fetched(played.listed()) == [*ALL, "d", "e"]


def test_a_folder_made_anew_meanwhile_gives_no_wrong_body(played: Played) -> None:
    ids = played.listed()
    played.server.rules += [
        Rule(BODY, "cut"),
        Rule("^EXAMINE", replacing(r"UIDVALIDITY \d+", b"UIDVALIDITY 77"), ALWAYS),
    ]
    assert played.fetched(ids) == ["gone"] * 3


def test_a_server_that_refuses_every_body_is_not_a_list_of_bad_messages(played: Played) -> None:
    refusal = b"{tag} NO Service temporarily unavailable\r\n"
    ids = played.listed()
    played.server.rules += [Rule(BODY, refusal, ALWAYS)]
    with pytest.raises(ProviderThrottled):
        played.fetched(ids)
    assert (len(played.slept), len(played.server.commands) < 20) == (1, True)


def test_the_server_may_end_idle_connections(played: Played) -> None:
    ids = played.listed()
    played.server.rules.append(Rule("^UID FETCH", b"* BYE Idle too long\r\n"))
    page = played.client.fetch_feed_page(INBOX, None, limit=100)
    assert [each.remote_id for each in page.changes] == ids
    assert played.server.connection_count == 2


def _bodies_asked(played: Played) -> list[str]:
    """Return the sets of UIDs, counted from the first message, whose bodies were requested."""
    texts = [text for _, text in played.server.commands if "BODY.PEEK[]" in text]
    return [re.sub(r"UID FETCH (\S+) .*PEEK\[\](\S*)\)", r"\1 \2", text).strip() for text in texts]


SIZES = r"^UID FETCH .*\(UID RFC822\.SIZE\)"


def listed_long_ago(played: Played) -> list[RemoteId]:
    """Return the ids of messages whose sizes are no longer known."""
    ids = played.listed()
    assert INBOX.folder
    played.client.list_folder_messages(INBOX.folder)
    return ids


def test_a_batch_has_few_megabytes_and_a_large_message_comes_in_pieces(played: Played) -> None:
    sizes = iter([5, 4, 11])
    megabytes = re.compile(rb"RFC822\.SIZE \d+")

    def sized(found: list[bytes]) -> list[bytes]:
        return [megabytes.sub(lambda _: b"RFC822.SIZE %d000000" % next(sizes), it) for it in found]

    played.server.rules.append(Rule(SIZES, sized))
    ids = listed_long_ago(played)
    assert played.fetched(ids) == ALL
    first, second, third = (each.rpartition(":")[2] for each in ids)
    assert _bodies_asked(played) == [first, second, f"{third} <0.4194304>"]


def test_messages_count_against_the_memory_of_all_mailboxes(
    played: Played, running_imap: Simulators
) -> None:
    body = "x" * 300_000
    for number in range(3):
        played.mailbox.deliver_message(a_mail(f"large {number}", body=body))
    memory = ResponseMemoryBudget(own_bytes=500_000, large_bytes=3_000_000, wait_s=0.0)
    share = memory.create_share_for_mailbox()
    address = (played.server.port, played.server.certificate, played.mailbox.address, PASSWORD)
    with closing(open_imap_mailbox(*address, memory=share)) as client:
        ids = [each.remote_id for each in client.fetch_feed_page(INBOX, None, limit=9).changes]
        assert len(client.fetch_messages(ids)) == 6
        assert memory.large.locked(), "the texts are held until the client is closed"
        with pytest.raises(ProviderUnavailable, match="memory"):
            list(map(client.fetch_messages, [ids] * 9))
    assert not memory.large.locked()


def test_texts_that_are_too_much_at_once_are_fetched_in_fewer(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_TEXT_CHARS_PER_CALL", 100_000)
    for number in range(3):
        played.mailbox.deliver_message(a_mail(f"large {number}", body="x" * 200_000))
    ids = played.listed()
    with pytest.raises(ResponseTooLarge):
        played.fetched(ids)
    assert [played.fetched([each])[0] for each in ids[3:]] == ["large 0", "large 1", "large 2"]


def test_a_large_message_is_fetched_whole_if_the_server_rejects_pieces(played: Played) -> None:
    played.server.rules += [
        Rule(SIZES, replacing(r"RFC822\.SIZE \d+", b"RFC822.SIZE 20000000")),
        Rule(r"^UID FETCH .*\[\]<", b"{tag} BAD Invalid arguments\r\n", ALWAYS),
    ]
    assert played.fetched(listed_long_ago(played)) == ALL
