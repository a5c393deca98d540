"""A provider whose folders are labels, through the real workflow: with one feed of the mailbox, in
which a moved message gets another id, and with a feed per label."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from infra.catalog import FUNCTIONS, MAILBOX_SYNC_WORKFLOW
from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import create_state_machines, make_aws_client, reset_moto_state
from localdev.engine.lambda_host import InvocationResult
from localdev.engine.names import function_name_from_arn_or_name
from localdev.simulators import Simulators
from mailsync.api.sync_status import to_sync_status_view
from mailsync.errors import ProviderRejected
from mailsync.model import SyncType
from mailsync.providers import MailProvider
from mailsync.settings import Settings
from mailsync.store.connection import Database, connect
from mailsync.store.status_store import StatusStore
from tests.support.comparison import divergences
from tests.support.execution import StateFailed
from tests.support.listing_toy import ListingToy
from tests.support.mail import a_mail
from tests.support.toy_form import ToyForm
from tests.support.toy_provider import ToyProvider
from tests.workflow.failures.conftest import Prepared
from tests.workflow.failures.world import World

PLACEHOLDERS = {
    function.name: f"${{{function.arn_placeholder_name_in_asl}}}" for function in FUNCTIONS
}
FEEDS = """
SELECT count(*), bool_and(complete_as_of IS NOT NULL AND NOT walking) FROM mailsync.change_feeds"""
FAILED = "SELECT folder_id, status, error FROM mailsync.sync_run_folders WHERE status = 'failed'"
NOT_READ_SINCE = "UPDATE mailsync.change_feeds SET complete_as_of = now() - interval '9 days'"
HIDDEN = "SELECT count(*) FROM mailsync.emails WHERE removed_at IS NOT NULL"


class ToyWorld(World):
    kind = "labels"

    def __post_init__(self) -> None:
        super().__post_init__()
        has_versions = self.kind != "listing"
        self.form = ToyForm(self.remote, self._toy().message_id, has_versions=has_versions)

    def provider(self, *_: object) -> MailProvider:
        return self._toy()

    def _toy(self) -> ToyProvider:
        return ToyProvider(self.remote, self.access, self.kind)

    def is_exact(self) -> bool:
        """Rows, folders and counts; shows the difference when it is asserted."""
        with closing(connect(self.settings)) as tables:
            found = divergences(tables, self.account_id, self.remote, self.form)
        assert found == []
        return True


class FolderWorld(ToyWorld):
    kind = "folders"


class ListingWorld(ToyWorld):
    kind = "listing"

    def _toy(self) -> ToyProvider:
        return ListingToy(self.remote, self.access, self.kind)


@pytest.fixture(
    params=[ToyWorld, FolderWorld, ListingWorld],
    ids=["one feed", "feeds of labels", "a feed that lists ids"],
)
def toy(
    request: pytest.FixtureRequest,
    prepared: Prepared,
    simulators: Simulators,
    shared: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ToyWorld]:
    """A mailbox with mail in three folders, connected and not yet synced."""
    prepared.connected.restore()
    with closing(Database(shared)) as database:
        world = request.param(simulators, prepared.remote, shared, database, prepared.account_id)
        world.install(monkeypatch)
        yield world


def test_a_message_under_three_labels_is_one_row_in_three_lists(toy: ToyWorld) -> None:
    number = toy.newest()
    projects = toy.remote.folders.list_child_folders("archive")[0].number
    toy.remote.add_message_to_folder(number, "archive")
    toy.remote.add_message_to_folder(number, projects)
    assert toy.mirrors()
    assert len(toy.stored()[toy.id_of(number)]["folders"]) == 3

    for change in (
        partial(toy.remote.remove_message_from_folder, number, projects),
        partial(toy.remote.set_message_read, number),
        partial(toy.remote.remove_message_from_folder, number, "inbox"),
        partial(toy.remote.move_message, number, "trash"),
        partial(toy.remote.move_message, number, "inbox"),
        partial(toy.remote.add_message_to_folder, number, projects),
    ):
        change()
        assert toy.mirrors()
        assert toy.is_exact()


def test_progress_counts_messages_and_not_the_folders_that_they_are_in(toy: ToyWorld) -> None:
    projects = toy.remote.folders.list_child_folders("archive")[0].number
    for number in [each.message_number for each in toy.remote.list_messages_in_folders("inbox")][
        :5
    ]:
        toy.remote.add_message_to_folder(number, projects)
    assert toy.mirrors()

    account = StatusStore(toy.database).status_of_account(toy.account_id, "ann")

    assert account is not None
    shown = to_sync_status_view(account, datetime.now(UTC))
    assert (shown.sync_progress, shown.sync_total) == (36, 36)
    assert sum(folder.total for folder in shown.folders) == 41


def test_a_checked_mailbox_is_mirrored_and_then_idle(toy: ToyWorld) -> None:
    assert toy.mirrors()
    toy.remote.deliver_message(a_mail())
    toy.remote.add_message_to_folder(toy.newest(), "archive")

    toy.check_to_the_end()
    toy.check_to_the_end()

    assert toy.is_exact()
    assert toy.check().outcome == "idle"


def test_a_new_full_sync_hides_what_has_lost_a_label_unseen(toy: ToyWorld) -> None:
    number = toy.newest()
    toy.remote.add_message_to_folder(number, "archive")
    assert toy.mirrors()
    toy.remote.remove_message_from_folder(number, "archive")
    toy.remote.delete_message_from_database(
        toy.remote.list_messages_in_folders("archive")[0].message_number
    )

    toy.remote.expire_cursors()
    assert toy.sync(SyncType.FULL) == "completed"

    assert toy.is_exact()
    is_complete = toy.one(FEEDS)
    assert is_complete == [
        1 if toy.kind != "folders" else len(toy.remote.folders.list_all_folders()),
        True,
    ]


def test_an_id_that_ended_is_deleted_only_after_every_feed_was_read_since(toy: ToyWorld) -> None:
    """It may be of a message that has arrived, under another id, where nothing was read yet."""
    assert toy.mirrors()
    toy.remote.delete_message_from_database(toy.newest())
    assert toy.mirrors()
    toy.before["recalculate_counts"] = lambda: toy.rows(NOT_READ_SINCE)

    assert toy.one(HIDDEN) == [1]
    for _ in range(2):
        toy.let_time_pass(hours=2.1)
        assert toy.mirrors()

    assert toy.one(HIDDEN) == [1 if toy.kind == "labels" else 0]
    toy.before.clear()
    toy.let_time_pass(hours=2.1)
    assert toy.mirrors()
    assert toy.one(HIDDEN) == [0]


def test_a_feed_of_the_mailbox_that_fails_fails_every_folder(
    toy: ToyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise ProviderRejected("The toy rejects the request.")

    monkeypatch.setattr(type(toy.provider()), "fetch_feed_page", broken)

    assert toy.sync() == "FoldersFailed"

    failed = toy.rows(FAILED)
    assert {error for _, _, error in failed} == {"ProviderRejected"}
    assert (len(failed), failed[0][0]) == (1, None) or toy.kind == "folders"
    monkeypatch.undo()
    toy.install(monkeypatch)
    assert toy.mirrors()


class _Functions:
    """Answers the Invoke API of the local engine with the functions of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def invoke(self, function: str, payload: bytes) -> InvocationResult:
        placeholder = PLACEHOLDERS[function_name_from_arn_or_name(function)]
        try:
            result = self._world.invoke(placeholder, json.loads(payload))
        except StateFailed as failure:
            error = {"errorType": failure.error, "errorMessage": failure.cause}
            headers = {"X-Amz-Function-Error": "Unhandled"}
            return InvocationResult(200, json.dumps(error).encode(), headers)
        return InvocationResult(200, json.dumps(result).encode(), {})

    invoke_asynchronously = invoke


def test_the_local_engine_syncs_it(toy: ToyWorld) -> None:
    toy.at_once = True
    toy.remote.add_message_to_folder(toy.newest(), "archive")
    endpoint = AwsEndpoint(_Functions(toy), port=0)
    try:
        reset_moto_state()
        arns = create_state_machines(endpoint.url, [MAILBOX_SYNC_WORKFLOW], FUNCTIONS, time_scale=0)
        client = make_aws_client("stepfunctions", endpoint.url)
        started = client.start_execution(
            stateMachineArn=arns[MAILBOX_SYNC_WORKFLOW.name],
            name="toy",
            input=json.dumps({"accountId": toy.account_id, "syncType": "initial"}),
        )["executionArn"]
        while (found := client.describe_execution(executionArn=started))["status"] == "RUNNING":
            time.sleep(0.05)
    finally:
        endpoint.stop()

    assert found["status"] == "SUCCEEDED", found
    assert toy.is_exact()


NUMBERS = "SELECT id FROM mailsync.emails WHERE removed_at IS NULL ORDER BY id"


def test_a_message_that_moves_keeps_its_row(toy: ToyWorld) -> None:
    assert toy.mirrors()
    rows = toy.rows(NUMBERS)
    number = toy.newest()

    for folder in ("archive", "trash", "inbox"):
        toy.remote.move_message(number, folder)
        assert toy.mirrors()
        assert toy.is_exact()

    assert toy.rows(NUMBERS) == rows
