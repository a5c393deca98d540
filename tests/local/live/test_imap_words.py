"""What a mail server sends does not reach the record, and what would write does not reach it."""

import json

import pytest

from localdev.live.imap.relay import _only_reads
from localdev.live.imap.words import (
    RECORDABLE_NAMES_AND_WORDS,
    build_response_document,
    redact_command,
)
from localdev.live.record import ExchangeToRecord, Recorder

SECRET = "Grace"
COMMANDS = (
    'LOGIN "{}" "{}"',
    "{} 1 (UID)",
    'EXAMINE "{}"',
    "EXAMINE {}",
    'STATUS "a \\" {}" (MESSAGES {})',
    'LIST "" "{}" RETURN ({})',
    "UID FETCH 1:5,7 (UID {} BODY.PEEK[HEADER.FIELDS ({})] BODY.PEEK[]<{}>)",
    "UID SEARCH SUBJECT {}",
    'ID ("name" "{}")',
)
RESPONSES = (
    '* LIST (\\HasNoChildren {}) "/" "{}"',
    "* LIST (\\HasNoChildren) {} {}",
    '* STATUS "{}" (MESSAGES 1 {} 2)',
    "* 1 FETCH (UID 5 FLAGS (\\Seen {}) {} 5 X-GM-LABELS ({}) ENVELOPE ({}))",
    '* 1 FETCH (UID 5 INTERNALDATE "{}" BODY[HEADER.FIELDS ({})] "{}")',
    "* 1 FETCH ({}",
    "* OK [{} {}] {}",
    "* CAPABILITY IMAP4rev1 {} AUTH={}",
    "* ENABLED {}",
    '* ID ("name" "{}" "{}" NIL)',
    '* NAMESPACE (("{}" "/")) NIL NIL',
    "* SEARCH {}",
    "* {} {}",
    "* 5 {} {}",
    "* BYE {}",
    "*",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_described_without_its_names(command: str) -> None:
    assert SECRET.upper() not in redact_command(command.replace("{}", SECRET)).upper()


@pytest.mark.parametrize("status", ["OK", "NO", "BAD"])
@pytest.mark.parametrize("response", RESPONSES)
def test_a_response_is_recorded_without_its_values(response: str, status: str) -> None:
    line = response.replace("{}", SECRET).encode().removeprefix(b"* ")
    recorder = Recorder(RECORDABLE_NAMES_AND_WORDS)
    document = build_response_document([[line]], f"{status} [{SECRET}] {SECRET} done")
    number = {"OK": 200, "NO": 400, "BAD": 500}[status]
    recorder.add_exchange(
        ExchangeToRecord(request_kind="x", http_status=number, parsed_response_body=document)
    )

    assert SECRET.upper() not in json.dumps(recorder.summarise_responses()).upper()


def test_known_commands_keep_their_words() -> None:
    for text, described in {
        'EXAMINE "INBOX"': "EXAMINE {folder}",
        'LIST "" "*" RETURN (SPECIAL-USE)': "LIST ALL RETURN (SPECIAL-USE)",
        "UID FETCH 1:5,7 (UID BODY.PEEK[]<0.4194304>)": "UID FETCH {set} (UID BODY.PEEK[]<n>)",
    }.items():
        assert redact_command(text) == described


@pytest.mark.parametrize(
    "command",
    [
        *("SELECT INBOX", "UID STORE 1 +FLAGS (\\Seen)", "STORE 1 FLAGS ()", "EXPUNGE", "DELETE a"),
        *("APPEND INBOX {5}", "UID COPY 1 a", "UID MOVE 1 a", "CREATE a", "RENAME a b", "UID", ""),
        *("UID FETCH 1 (BODY[])", "uid fetch 1 (body[text])", "UID FETCH 1 RFC822.TEXT"),
        *("FETCH 1 (RFC822)", "UID EXPUNGE 1", "SUBSCRIBE a", "EXAMINE {5}", "SETACL a b c"),
    ],
)
def test_the_relay_passes_on_nothing_that_changes_the_mailbox(command: str) -> None:
    assert not _only_reads(command.encode())
