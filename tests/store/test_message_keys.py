"""A message that arrives under another key is the stored one if exactly one can be meant."""

from uuid import UUID

from mailsync.model import FolderId, MessageRemovedFromFolder, RemoteId, Upsert
from mailsync.store.message_key_store import ArrivalUnderUnknownProviderKey
from tests.store.conftest import Mirror
from tests.support.builders import a_message, a_remote_folder

SAME = str(UUID(int=7))


def store(mirror: Mirror, folder: FolderId, *keys: str) -> None:
    remote_id = mirror.folder(folder).ref.remote_id
    named = {"move_invariant_fingerprint": SAME}
    messages = (
        a_message(each, remote_id, current_remote_id=RemoteId(each), **named) for each in keys
    )
    mirror.apply(folder, *map(Upsert, messages))


def match(mirror: Mirror, *arrivals: tuple[str, FolderId], valid: tuple[str, ...] = ()) -> object:
    return mirror.provider_message_key_store.assign_new_keys_to_stored_messages(
        mirror.run,
        [
            ArrivalUnderUnknownProviderKey(RemoteId(key), SAME, folder, f"{key[0]}:")
            for key, folder in arrivals
        ],
        [RemoteId(each) for each in valid],
        is_only_folder=True,
    )


def placements(mirror: Mirror) -> list[list[object]]:
    return mirror.rows(
        "SELECT k.remote_key, p.folder_id, m.removed_at IS NULL FROM mailsync.message_keys k"
        " JOIN mailsync.emails m ON m.id = k.email_id"
        " LEFT JOIN mailsync.email_placements p ON p.email_id = m.id ORDER BY 1"
    )


def test_a_matched_message_is_shown_at_once_so_that_no_other_arrival_is_taken_for_it(
    mirror: Mirror,
) -> None:
    store(mirror, mirror.first, "a:1")
    mirror.apply(mirror.first, MessageRemovedFromFolder(RemoteId("a:1")))

    assert match(mirror, ("b:1", mirror.second)) == {"b:1": "a:1"}
    assert match(mirror, ("a:2", mirror.first)) == {}

    assert placements(mirror) == [["b:1", mirror.second, True]]


def test_copies_that_arrive_together_are_not_matched(mirror: Mirror) -> None:
    store(mirror, mirror.first, "a:1")
    mirror.apply(mirror.first, MessageRemovedFromFolder(RemoteId("a:1")))

    assert match(mirror, ("b:1", mirror.second), ("a:2", mirror.first)) == {}


def test_one_of_two_hidden_copies_is_not_chosen(mirror: Mirror) -> None:
    store(mirror, mirror.first, "a:1", "a:2")
    mirror.apply(
        mirror.first, *(MessageRemovedFromFolder(RemoteId(each)) for each in ("a:1", "a:2"))
    )

    assert match(mirror, ("b:1", mirror.second)) == {}


def test_a_message_whose_key_is_reported_has_not_moved(mirror: Mirror) -> None:
    store(mirror, mirror.first, "a:1")
    mirror.apply(mirror.first, MessageRemovedFromFolder(RemoteId("a:1")))

    assert match(mirror, ("b:1", mirror.second), valid=("a:1", "b:1")) == {}


def test_a_void_key_is_replaced_only_in_the_folder_of_the_arrival(mirror: Mirror) -> None:
    store(mirror, mirror.first, "a:1")

    assert match(mirror, ("b:1", mirror.second)) == {}
    assert match(mirror, ("b:1", mirror.first)) == {"b:1": "a:1"}
    assert placements(mirror) == [["b:1", mirror.first, True]]


def test_a_folder_that_comes_back_begins_anew_if_messages_change_their_ids(mirror: Mirror) -> None:
    store(mirror, mirror.first, "a:1")
    for survives in (True, False):
        mirror.folder_store.save_tree_changes(mirror.run, (), [mirror.first])

        mirror.folder_store.save_tree_changes(
            mirror.run, (a_remote_folder("F1"),), [], do_ids_survive_moves=survives
        )

        position = mirror.folder(mirror.first).feed.position
        assert position.is_full_sync_running is not survives


def test_a_page_without_changes_costs_no_statement(mirror: Mirror) -> None:
    keys, before = mirror.provider_message_key_store, mirror.database.sent_statement_count

    assert keys.find_stored_message_ids_of_keys(mirror.run, []) == {}
    assert keys.find_keys_of_stored_message_ids(mirror.run, []) == {}
    assert keys.choose_message_ids_for_new_keys(mirror.run, []) == {}
    assert mirror.database.sent_statement_count == before


def test_a_message_that_was_requested_by_its_former_key_keeps_its_present_one(
    mirror: Mirror,
) -> None:
    store(mirror, mirror.first, "a:1")
    late = a_message(
        "a:1",
        "F1",
        current_remote_id=RemoteId("a:1"),
        move_invariant_fingerprint=SAME,
        is_read=True,
    )
    mirror.apply(mirror.first, MessageRemovedFromFolder(RemoteId("a:1")))
    assert match(mirror, ("b:1", mirror.second)) == {"b:1": "a:1"}

    mirror.mail_store.write_fetched_messages(mirror.run, None, [late])

    assert mirror.rows("SELECT remote_key FROM mailsync.message_keys") == [["b:1"]]


def test_a_hidden_message_gives_its_key_to_one_of_a_renamed_folder(mirror: Mirror) -> None:
    store(mirror, mirror.second, "b:1")
    mirror.apply(mirror.second, MessageRemovedFromFolder(RemoteId("b:1")))
    store(mirror, mirror.first, "a:1")

    mirror.folder_store.save_tree_changes(
        mirror.run, (), (), new_ids={mirror.first: RemoteId("B")}, new_key_prefixes={"a:": "b:"}
    )

    [(key, _)] = mirror.provider_message_key_store.find_keys_of_stored_message_ids(
        mirror.run, [RemoteId("a:1")]
    ).values()
    assert key == "b:1"


def test_each_message_that_was_first_seen_with_the_same_key_has_an_id_of_its_own(
    mirror: Mirror,
) -> None:
    given = []
    for number in range(3):
        [new_id] = mirror.provider_message_key_store.choose_message_ids_for_new_keys(
            mirror.run, [RemoteId("a:1")]
        ).values()
        given.append(new_id)
        named = {
            "move_invariant_fingerprint": str(UUID(int=number)),
            "current_remote_id": RemoteId("a:1"),
        }
        mirror.apply(mirror.first, Upsert(a_message(new_id, "F1", **named)))
        mirror.apply(mirror.first, void_id_prefix="a:")

    assert len(set(given)) == 3
