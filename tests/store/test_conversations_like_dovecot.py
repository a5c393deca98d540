"""Conversations of a folder are those that Dovecot's `THREAD REFS` shows.

Dovecot differs in two things. Of two messages with one Message-ID, it takes the second one for a
message without any. An id has one parent there: if the References of one message leave out an id or
contradict those of another message, a part of the conversation can be cut off.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from mailsync.mime import ParsedMessage, make_thread_keys, parse_message
from mailsync.model import Upsert
from tests.store.conftest import Mirror
from tests.support.builders import a_message
from tests.support.dovecot import Dovecot, dovecot, readable_folder

GARBAGE = ("<no-at>", "word", "unopened@x>", "<>", "ann@example.org", ",", '"quoted"', "\u00e9")
ODD_IDS = ("<sp ace{}@x>", "<two@ats@{}>", '<"q u"@{}>', "<Case@X{}>", "<case@x{}>", "<\u00e9{}@x>")
Groups = set[frozenset[int]]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with readable_folder() as folder, dovecot(folder / "d") as running:
        yield running


def random_mails(chance: random.Random) -> Iterator[bytes]:
    """Replies to each other, of which some never arrived, some arrived twice, and some name few of
    their ancestors, none, or garbage."""
    threads: list[list[str]] = []
    for number in range(80):
        ancestors = chance.choice(threads) if threads and chance.random() < 0.8 else []
        named = ancestors[-chance.randint(1, 9) :]
        if chance.random() < 0.2:
            named.insert(chance.randint(0, len(named)), chance.choice(GARBAGE))
        header = [f"Subject: mail {number}"]
        if named and chance.random() < 0.7:
            header.append("References: " + chance.choice((" ", "\r\n ", ",")).join(named))
        if ancestors and chance.random() < 0.5:
            header.append(f"In-Reply-To: {ancestors[-1]}")
        if chance.random() < 0.95:
            own = chance.choice(("<{}@Host.example>", *ODD_IDS)).format(number)
            header.append(f"Message-ID: {own}")
            threads.append([*ancestors, own])
        raw = ("\r\n".join(header) + "\r\n\r\ntext\r\n").encode()
        yield from [raw] * chance.choices((1, 0, 2), weights=(70, 25, 5))[0]


def shown_by_dovecot(server: Dovecot, folder: str, mails: Sequence[bytes]) -> Groups:
    client = server.other_client()
    client.create(folder)
    for each in mails:
        client.append(folder, "", "", each)
    client.select(folder, readonly=True)
    (answer,) = client.thread("REFS", "UTF-8", "ALL")[1]
    client.logout()
    found: Groups = set()
    depth, members = 0, set()
    for token in re.findall(rb"[()]|\d+", answer):
        if token.isdigit():
            members.add(int(token))
            continue
        depth += 1 if token == b"(" else -1
        if depth == 0:
            found.add(frozenset(members))
            members = set()
    return found


def stored(mirror: Mirror, mails: Sequence[ParsedMessage], chance: random.Random) -> Groups:
    """Store the messages in any order; return the conversations of the rows."""
    changes = [
        Upsert(a_message(str(number), thread_keys=make_thread_keys(mail)))
        for number, mail in enumerate(mails, start=1)
    ]
    chance.shuffle(changes)
    for start in range(0, len(changes), 10):
        mirror.apply(mirror.first, *changes[start : start + 10], has_more=True)
    members = defaultdict(set)
    for number, conversation in mirror.rows(
        "SELECT message_id::int, conversation_id FROM mailsync.emails"
    ):
        members[conversation].add(number)
    return {frozenset(each) for each in members.values()}


def without_repeated_ids(mails: Sequence[ParsedMessage]) -> Iterator[ParsedMessage]:
    seen: set[str | None] = set()
    for each in mails:
        id_ = each.internet_message_id
        yield replace(each, internet_message_id=None) if id_ in seen else each
        seen.add(id_)


@pytest.mark.parametrize("seed", range(12))
def test_conversations_of_a_folder_are_those_of_dovecot(
    seed: int, server: Dovecot, mirror: Mirror
) -> None:
    chance = random.Random(seed)
    raw = list(random_mails(chance))
    parsed = list(without_repeated_ids([parse_message(each) for each in raw]))

    assert stored(mirror, parsed, chance) == shown_by_dovecot(server, f"f{seed}", raw)
