"""The provider lists one thing and says another by id: the id stays, with its cause."""

import json

from mailsync.store.backlog_store import BacklogStore
from tests.workflow.failures.world import World

DIFFERENCES = "SELECT message_id, cause FROM mailsync.proof_differences ORDER BY message_id"
INBOX = "SELECT differing, verified_at IS NOT NULL FROM mailsync.email_folders WHERE role = 'inbox'"
VERIFIED_NOW = (
    "SELECT verified_at > (SELECT max(started_at) FROM mailsync.sync_runs)"
    " FROM mailsync.email_folders WHERE role = 'inbox'"
)


def test_what_is_listed_and_gone_by_id_is_shown_until_it_can_be_read(synced: World) -> None:
    phantom = synced.newest()
    synced.lose(phantom)
    synced.inject_fault(f"/me/messages/{phantom}", status=404, code="ErrorItemNotFound", times=None)

    assert synced.sync() == "completed"
    assert synced.rows(DIFFERENCES) == [[phantom, "missing"]]
    assert synced.one(INBOX) == [1, True]

    synced.clear_faults()
    assert synced.mirrors()
    assert synced.rows(DIFFERENCES) == []
    assert synced.one(INBOX) == [0, True]


def omit(world: World, *omitted: str, times: int | None = 1) -> None:
    """From now on, Graph lists and counts all of the inbox but these."""
    entries = [
        {
            "@odata.etag": f'W/"{each.change_key}"',
            "id": each.immutable_id,
            "isRead": each.is_read,
            "lastModifiedDateTime": each.properties["lastModifiedDateTime"],
        }
        for each in world.remote.messages("inbox")
        if each.immutable_id not in omitted
    ]
    body = json.dumps({"@odata.count": len(entries), "value": entries})
    path = rf"{world.remote.folders.find('inbox').id}/messages\?.*\$count=true"
    world.inject_fault(path, status=200, body=body, times=times)


def test_what_is_not_listed_but_there_by_id_is_kept_and_shown(synced: World) -> None:
    kept = synced.newest()
    omit(synced, kept)
    synced.remote.database.write("UPDATE folder SET total = total - 1 WHERE role = 'inbox'")

    assert synced.sync() == "completed"

    assert synced.rows(DIFFERENCES) == [[kept, "surplus"]]
    assert BacklogStore(synced.database).measure().contradicted == 1
    assert kept in synced.stored()


def test_a_list_that_lacks_what_is_there_by_id_verifies_nothing(synced: World) -> None:
    """It may lack others as well: here one that is missing from the rows."""
    lost, kept, *_ = (each.immutable_id for each in synced.remote.messages("inbox"))
    synced.lose(lost)
    omit(synced, lost, kept, times=None)

    assert synced.sync() == "VerificationFailed"
    assert synced.one(VERIFIED_NOW) == [False], "the folder is not called verified either"

    synced.clear_faults()
    assert synced.sync() == "completed"
    assert synced.one(VERIFIED_NOW) == [True]
    assert synced.rows(DIFFERENCES) == []
    assert synced.is_mirrored()
