"""The provider lists one thing and says another by id: the id stays, with its cause."""

import json

from localdev.simulators.graph.outlook import OutlookMailbox
from mailsync.store.backlog_store import BacklogStore
from tests.workflow.failures.world import World

DIFFERENCES = "SELECT message_id, cause FROM mailsync.proof_differences ORDER BY message_id"
INBOX = "SELECT differing, verified_at IS NOT NULL FROM mailsync.email_folders WHERE role = 'inbox'"
VERIFIED_NOW = (
    "SELECT verified_at > (SELECT max(started_at) FROM mailsync.sync_runs)"
    " FROM mailsync.email_folders WHERE role = 'inbox'"
)
LISTING = r"/messages\?.*\$count=true"


def test_what_is_listed_and_gone_by_id_is_shown_until_it_can_be_read(synced: World) -> None:
    phantom = synced.id_of(synced.newest())
    synced.lose(synced.newest())
    synced.inject_fault(f"/me/messages/{phantom}", status=404, code="ErrorItemNotFound", times=None)

    assert synced.sync() == "completed"
    assert synced.rows(DIFFERENCES) == [[phantom, "missing"]]
    assert synced.one(INBOX) == [1, True]

    synced.clear_faults()
    assert synced.mirrors()
    assert synced.rows(DIFFERENCES) == []
    assert synced.one(INBOX) == [0, True]


def listing_of(world: World, folder: str, *, without: frozenset[str]) -> str:
    """What Graph would answer if it listed all but these, and counted so, too."""
    entries = [
        {
            "@odata.etag": f'W/"{each.change_key}"',
            "id": each.immutable_id,
            "isRead": each.is_read,
            "lastModifiedDateTime": each.properties["lastModifiedDateTime"],
        }
        for each in OutlookMailbox(world.remote).list_messages_in_folder(folder)
        if each.immutable_id not in without
    ]
    return json.dumps({"@odata.count": len(entries), "value": entries})


def test_what_is_not_listed_but_there_by_id_is_kept_and_shown(synced: World) -> None:
    kept = synced.id_of(synced.newest())
    listing = listing_of(synced, "inbox", without=frozenset({kept}))
    synced.inject_fault(f"{synced.folder_id('inbox')}{LISTING}", status=200, body=listing)
    synced.remote.database.execute_write("UPDATE folder SET total = total - 1 WHERE role = 'inbox'")

    assert synced.sync() == "completed"

    assert synced.rows(DIFFERENCES) == [[kept, "surplus"]]
    assert BacklogStore(synced.database).measure_backlog().contradicted == 1
    assert kept in synced.stored()


def test_a_list_that_lacks_what_is_there_by_id_verifies_nothing(synced: World) -> None:
    """It may lack others as well: here one that is missing from the rows."""
    lost, kept, *_ = (
        each.message_number for each in synced.remote.list_messages_in_folders("inbox")
    )
    synced.lose(lost)
    without = frozenset({synced.id_of(lost), synced.id_of(kept)})
    listing = listing_of(synced, "inbox", without=without)
    path = f"{synced.folder_id('inbox')}{LISTING}"
    synced.inject_fault(path, status=200, body=listing, times=None)

    assert synced.sync() == "VerificationFailed"
    assert synced.one(VERIFIED_NOW) == [False], "the folder is not called verified either"

    synced.clear_faults()
    assert synced.sync() == "completed"
    assert synced.one(VERIFIED_NOW) == [True]
    assert synced.is_mirrored()


def test_a_difference_that_the_repair_has_mended_does_not_stay(synced: World) -> None:
    synced.lose(synced.newest())

    assert synced.mirrors()
    assert synced.rows(DIFFERENCES) == []
