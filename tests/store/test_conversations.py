"""Conversations that we give: connected components of the keys that messages share."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from threading import Thread
from uuid import UUID

import pytest

from mailsync.model import FolderId, Message, RemoteId, Upsert
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.conversations import assign_conversation_ids
from mailsync.store.fence import FencedTransaction
from mailsync.sync.purge import purge_account
from tests.store.conftest import Mirror, connect_mirror
from tests.store.rows import wait_until_it_waits_for_a_lock
from tests.support.builders import a_message, a_remote_folder

FOLDERS = ("F1", "F2")


def a_mail(name: str, *keys: int, folder: str = "F1") -> Message:
    thread_keys = tuple(str(UUID(int=key)) for key in keys)
    return a_message(name, folder, thread_keys=thread_keys)


def conversations(mirror: Mirror) -> dict[str, str]:
    return dict(
        mirror.rows(
            "SELECT message_id, conversation_id FROM mailsync.emails"
            f" WHERE account_id = '{mirror.run.account_id}'"
        )
    )


def groups(conversation_of: Mapping[str, object]) -> set[frozenset[str]]:
    members = defaultdict(set)
    for name, conversation in conversation_of.items():
        members[conversation].add(name)
    return {frozenset(each) for each in members.values()}


def components(mails: Iterable[Message]) -> set[frozenset[str]]:
    """The connected components, computed from all messages at once."""
    found: list[tuple[set[str], set[str]]] = []
    for mail in mails:
        names, keys = {str(mail.remote_id)}, set(mail.thread_keys or ())
        connected = [each for each in found if each[1] & keys]
        found = [each for each in found if not each[1] & keys]
        names.update(*(each[0] for each in connected))
        found.append((names, keys.union(*(each[1] for each in connected))))
    return {frozenset(names) for names, _ in found}


def random_mails(chance: random.Random) -> list[Message]:
    """Replies to each other, in two folders; each knows some of its ancestors, and some nothing."""
    mails: list[Message] = []
    ancestors: list[list[int]] = []
    for number in range(chance.randint(2, 40)):
        before = chance.choice(ancestors) if ancestors and chance.random() < 0.8 else []
        known = [each for each in before if chance.random() < 0.7]
        own = (
            [] if chance.random() < 0.1 else [chance.choice([number, number, number, number // 2])]
        )
        mails.append(a_mail(f"m{number}", *own, *known, folder=chance.choice(FOLDERS)))
        ancestors.append([*known, *own])
    return mails


def pages(mails: Sequence[Message], chance: random.Random) -> Iterator[Sequence[Message]]:
    """Split the messages of a folder."""
    left = list(mails)
    while left:
        size = chance.randint(1, 10)
        yield left[:size]
        left = left[size:]


def in_folder(mails: Iterable[Message], folder: str) -> list[Message]:
    return [each for each in mails if each.folder_remote_ids == (folder,)]


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_pages_groups_as_all_at_once(seed: int, shared_database: Database) -> None:
    """Some messages are deleted in between and some stored twice: neither changes a group."""
    chance = random.Random(seed)
    mirror = connect_mirror(shared_database, f"u{seed}", *map(a_remote_folder, FOLDERS))
    mails = random_mails(chance)
    both = [
        (folder_id, page)
        for folder_id, name in zip((mirror.first, mirror.second), FOLDERS, strict=True)
        for page in pages(
            chance.sample(in_folder(mails, name), k=len(in_folder(mails, name))), chance
        )
    ]
    deleted = set()
    for folder_id, page in chance.sample(both, k=len(both)):
        mirror.apply(folder_id, *map(Upsert, page), has_more=True)
        if chance.random() < 0.3:
            mirror.mail_store.write_fetched_messages(mirror.run, None, page)
        if chance.random() < 0.3:
            deleted.add(str(page[0].remote_id))
            mirror.rows(
                "DELETE FROM mailsync.emails WHERE (account_id::text, message_id)"
                f" = ('{mirror.run.account_id}', '{page[0].remote_id}')"
            )

    wanted = {each - deleted for each in components(mails)} - {frozenset()}
    assert groups(conversations(mirror)) == wanted


@pytest.mark.parametrize("seed", range(5))
def test_two_workers_at_once_group_as_one_after_the_other(
    seed: int, mirror: Mirror, settings: Settings
) -> None:
    chance = random.Random(seed)
    mails = [each for start in range(8) for each in random_mails(chance)]
    mails = [replace(each, remote_id=RemoteId(f"{at}")) for at, each in enumerate(mails)]

    def store(folder_id: FolderId, name: str) -> None:
        with closing(Database(settings)) as database:
            worker = Mirror(database, mirror.run, mirror.first, mirror.second)
            for page in pages(in_folder(mails, name), random.Random(seed)):
                worker.apply(folder_id, *map(Upsert, page), has_more=True)

    with ThreadPoolExecutor() as workers:
        list(workers.map(store, (mirror.first, mirror.second), FOLDERS))

    assert groups(conversations(mirror)) == components(mails)


def test_the_conversation_that_was_first_keeps_its_id(mirror: Mirror) -> None:
    mirror.apply(mirror.first, Upsert(a_mail("old", 1)), has_more=True)
    mirror.apply(mirror.first, Upsert(a_mail("a", 2)), Upsert(a_mail("b", 2)), has_more=True)
    mirror.apply(mirror.first, Upsert(a_mail("other", 9)), has_more=True)
    before = conversations(mirror)
    mirror.apply(mirror.first, Upsert(a_mail("link", 3, 2, 1)), has_more=True)

    first = before["old"]
    assert before["a"] == before["b"] != first
    assert conversations(mirror) == {
        **dict.fromkeys(("old", "a", "b", "link"), first),
        "other": before["other"],
    }


def test_messages_that_nothing_connects_are_conversations_of_their_own(mirror: Mirror) -> None:
    for _ in range(2):
        mirror.mail_store.write_fetched_messages(
            mirror.run, mirror.folder(mirror.first).ref, [a_mail("a"), a_mail("b"), a_message("c")]
        )
        found = conversations(mirror)
    assert len({found["a"], found["b"], None}) == 3
    assert found["c"] is None  # its provider gave none, as it does for what is no mail
    assert mirror.one("SELECT count(*) FROM mailsync.conversation_keys") == [2]


def test_accounts_with_the_same_messages_have_conversations_of_their_own(
    database: Database,
) -> None:
    first, second = (connect_mirror(database, who, a_remote_folder("F1")) for who in ("ann", "bo"))
    for each in (first, second):
        each.apply(each.first, Upsert(a_mail("a", 1)), Upsert(a_mail("b", 2)), has_more=True)
    second.apply(second.first, Upsert(a_mail("c", 1, 2)), has_more=True)

    assert len(groups(conversations(first))) == 2
    assert len(groups(conversations(second))) == 1
    assert not {*conversations(first).values()} & {*conversations(second).values()}


def test_two_workers_that_store_halves_of_a_conversation_at_once_find_each_other(
    mirror: Mirror, settings: Settings
) -> None:
    """The second one waits for the first one, instead of beginning a conversation as well."""
    halves = [a_mail("a", 1, 2, folder="F1"), a_mail("b", 2, 3, folder="F2")]
    with closing(Database(settings)) as other, closing(Database(settings)) as observer:
        worker = Mirror(other, mirror.run, mirror.first, mirror.second)
        second = Thread(target=worker.apply, args=(worker.second, Upsert(halves[1])))
        with FencedTransaction(mirror.database, mirror.run, is_exclusive=True) as tx:
            (first,) = assign_conversation_ids(tx, mirror.run, halves[:1])
            second.start()
            wait_until_it_waits_for_a_lock(observer, second)
        second.join()

    assert conversations(mirror) == {"b": first.conversation_id}


def test_a_purge_leaves_no_keys(mirror: Mirror) -> None:
    mirror.apply(mirror.first, Upsert(a_mail("a", 1, 2)))
    account_id = mirror.run.account_id
    store = AccountControlStore(mirror.database)
    user_id = mirror.one("SELECT user_id FROM mailsync.email_accounts")[0]
    store.begin_purge(AccountOfRequestingUser(account_id, user_id))

    while store.delete_batch_of_account_data(account_id):
        pass

    assert mirror.one("SELECT count(*) FROM mailsync.conversation_keys") == [0]
    assert purge_account(store, account_id, 1)
