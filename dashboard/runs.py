"""Read runs for the dashboard's pages: syncs of mailboxes from the database, self-tests from Step
Functions."""

from datetime import UTC, datetime

import orjson

from dashboard.accounts import account_status_json
from dashboard.executions import Execution, ExecutionReader
from dashboard.forecast import (
    build_step_label,
    forecast_next_event_of_run,
    last_status_by_state,
    set_next_attempt_at_of_waiting_steps,
)
from dashboard.history import Step, steps_of_execution_history
from dashboard.picture import draw_state_machine
from dashboard.queries import DashboardQueries, RowNotFound
from dashboard.to_json import JsonObject, milliseconds_between, to_json_bytes, to_json_value
from infra.catalog import MAILBOX_SYNC_WORKFLOW, SELF_TEST_WORKFLOW
from mailsync.errors import LeaseLost
from mailsync.store.history_store import RunFolderRow

TRIGGER_OF_SELF_TEST_RUNS = "self-test"
"""Value of `trigger` that the dashboard shows for every self-test, an execution of the workflow
`test-sync`."""

RunFilters = dict[str, str | None]
"""Values of `account_id`, `status` and `trigger` that listed runs must have; None permits every
value."""

_STATUSES = {
    "RUNNING": "running",
    "SUCCEEDED": "completed",
    "ABORTED": "cancelled",
    "FAILED": "failed",
    "TIMED_OUT": "failed",
}


class RunReader:
    def __init__(self, queries: DashboardQueries, executions: ExecutionReader) -> None:
        self._queries = queries
        self._executions = executions
        self._pictures: dict[str, orjson.Fragment] = {}

    def list_runs(
        self, filters: RunFilters, before: tuple[datetime, str], limit: int
    ) -> list[JsonObject]:
        """Return the runs that match the filters and are older than `before`, newest first.

        At most `limit` runs are returned. `before` is the creation time and id of a run.
        """
        stored = self._queries.list_runs(**filters, before=before, limit=limit)
        found = [_summary(run) for run in stored] + self._self_tests(filters, before)
        found.sort(key=lambda run: (run["createdAt"], run["id"]), reverse=True)
        return found[:limit]

    def _self_tests(self, filters: RunFilters, before: tuple[datetime, str]) -> list[JsonObject]:
        if filters["account_id"] or filters["trigger"] not in (None, TRIGGER_OF_SELF_TEST_RUNS):
            return []
        return [
            _self_test(each)
            for each in self._executions.list_newest_executions(SELF_TEST_WORKFLOW.name)
            if (each.started_at, each.name) < before
            and filters["status"] in (None, _STATUSES[each.status])
        ]

    def read_run(self, run_id: str) -> JsonObject:
        """Return the JSON of a run: the steps, the folders, and the event that the dashboard
        expects next.

        Raises:
            RowNotFound: there is no such run.
        """
        try:
            run, folders, names = self._queries.read_run_with_folders(run_id)
        except RowNotFound:
            return self._one_self_test(run_id)
        execution = self._execution(run)
        steps = self._steps(MAILBOX_SYNC_WORKFLOW.name, execution)
        if run["status"] == "cancelled":
            _mark_stopped(steps)
        scope = self._executions.read_state_graph(MAILBOX_SYNC_WORKFLOW.name)
        return {
            **_summary(run),
            **self._progress(MAILBOX_SYNC_WORKFLOW.name, steps, names),
            "historyLost": execution is None and _had_steps(run),
            "inOneFunction": run["startedAt"] is not None and not _had_steps(run),
            "folders": folders,
            "mail": self._mail_progress(run, folders),
            "next": forecast_next_event_of_run(run, steps, scope, names),
        }

    def _mail_progress(self, run: JsonObject, folders: list[RunFolderRow]) -> JsonObject | None:
        """Return the progress of an open run: `done` and `total` in messages, `rate` in messages
        per second, and `etaSeconds`. Return None for a closed run.

        For a full sync of all folders, `done` is the number of messages that the run has read. For
        any other sync, `done` is the number of messages in the mirror and in quarantine.
        """
        if run["finishedAt"]:
            return None
        mail = account_status_json(
            self._queries.read_account_status(run["accountId"]), datetime.now(UTC)
        )
        done, total = mail["syncProgress"], mail["syncTotal"]
        if run["syncType"] == "full" and run["folderIds"] is None:
            read = sum(each.inserted + each.updated + each.unchanged for each in folders)
            done = min(read, total)
        return {"done": done, "total": total} | {
            name: mail[name] for name in ("rate", "etaSeconds")
        }

    def _progress(self, workflow: str, steps: list[Step], names: dict[int, str]) -> JsonObject:
        """Return the steps of a run, the last status of each state, and the picture of the
        workflow, as JSON."""
        if workflow not in self._pictures:
            picture = draw_state_machine(self._executions.read_state_graph(workflow))
            self._pictures[workflow] = orjson.Fragment(to_json_bytes(picture))
        return {
            "states": last_status_by_state(steps),
            "steps": [_step(each, names) for each in steps],
            "picture": self._pictures[workflow],
        }

    def _execution(self, run: JsonObject) -> Execution | None:
        """Return the Step Functions execution of the run.

        None: Step Functions does not know the execution, or the Lambda function `sync-accounts` did
            the sync without an execution.
        """
        if run["startedAt"] and not _had_steps(run):
            return None
        arn = run["executionArn"] or self._executions.build_execution_arn(
            MAILBOX_SYNC_WORKFLOW.name, run["id"]
        )
        return self._executions.find_execution(arn)

    def _one_self_test(self, run_id: str) -> JsonObject:
        execution = self._executions.find_execution(
            self._executions.build_execution_arn(SELF_TEST_WORKFLOW.name, run_id)
        )
        if execution is None:
            raise RowNotFound("There is no run of this id.")
        return {
            **_self_test(execution),
            **self._progress(
                SELF_TEST_WORKFLOW.name, self._steps(SELF_TEST_WORKFLOW.name, execution), {}
            ),
            "historyLost": False,
            "inOneFunction": False,
            "folders": [],
            "mail": None,
            "next": None,
        }

    def _steps(self, workflow: str, execution: Execution | None) -> list[Step]:
        if execution is None:
            return []
        steps = steps_of_execution_history(self._executions.read_execution_history(execution))
        set_next_attempt_at_of_waiting_steps(steps, self._executions.read_state_graph(workflow))
        return steps


def _mark_stopped(steps: list[Step]) -> None:
    """Set the status `cancelled` in those steps of a cancelled run that are unfinished or that
    failed because the cancellation took the lease. A step can be unfinished because Step Functions
    may not have stopped the execution yet."""
    for step in steps:
        lost_lease = step.status == "failed" and step.error == LeaseLost.__name__
        if lost_lease or step.finished_at is None:
            step.status = "cancelled"


def _had_steps(run: JsonObject) -> bool:
    """Return whether the run has a Step Functions execution. A scheduled sync that the Lambda
    function `sync-accounts` does alone has no execution."""
    return (run["executionArn"] or "").startswith("arn:")


def _summary(run: JsonObject) -> JsonObject:
    duration_ms = milliseconds_between(run["startedAt"], run["finishedAt"])
    return {**run, "workflow": MAILBOX_SYNC_WORKFLOW.name, "durationMs": duration_ms}


def _self_test(execution: Execution) -> JsonObject:
    return {
        "id": execution.name,
        "workflow": SELF_TEST_WORKFLOW.name,
        "accountId": None,
        "emailAddress": None,
        "status": _STATUSES[execution.status],
        "trigger": TRIGGER_OF_SELF_TEST_RUNS,
        "syncType": None,
        "createdAt": execution.started_at,
        "startedAt": execution.started_at,
        "finishedAt": execution.stopped_at,
        "durationMs": milliseconds_between(execution.started_at, execution.stopped_at),
        "error": execution.error,
        "errorMessage": execution.cause,
        "executionArn": execution.arn,
    }


def _step(step: Step, names: dict[int, str]) -> JsonObject:
    return {
        **to_json_value(step),
        "label": build_step_label(step, names),
        "durationMs": milliseconds_between(step.started_at, step.finished_at),
    }
