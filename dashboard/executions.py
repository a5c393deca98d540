"""Read executions of the state machines through the Step Functions API, from AWS or the local
stack."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.definition import StateGraph, parse_state_machine
from dashboard.history import error_message_of_cause

MAX_CACHED_EXECUTIONS = 50
"""Maximum number of cached executions. The cache contains only executions that have ended, with
their histories, because these never change."""

HistoryEventList = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution of a workflow, as Step Functions describes the execution.

    status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
    stopped_at: None while the execution runs.
    error: name of the error with which the execution failed. None: no error.
    cause: message of the error, without the stack trace. None: no message.
    """

    arn: str
    name: str
    status: str
    started_at: datetime
    stopped_at: datetime | None
    error: str | None = None
    cause: str | None = None


class ExecutionReader:
    """Reads executions and their histories. Safe to use from several threads.

    Methods raise botocore's BotoCoreError or ClientError if a request to Step Functions fails.

    machines: ARNs of the state machines by the name of the workflow.
    """

    def __init__(self, client: Any, machines: Mapping[str, str]) -> None:
        self.machines = machines
        self._client = client
        self._lock = threading.Lock()
        self._definitions: dict[str, StateGraph] = {}
        self._ended: OrderedDict[str, tuple[Execution, HistoryEventList]] = OrderedDict()

    def read_state_graph(self, workflow: str) -> StateGraph:
        """Return the states of the deployed workflow. The deployed definition may differ from the
        definition in this checkout."""
        if workflow not in self._definitions:
            arn = self.machines[workflow]
            text = self._client.describe_state_machine(stateMachineArn=arn)["definition"]
            self._definitions[workflow] = parse_state_machine(text)
        return self._definitions[workflow]

    def build_execution_arn(self, workflow: str, name: str) -> str:
        return f"{self.machines[workflow].replace(':stateMachine:', ':execution:')}:{name}"

    def find_execution(self, arn: str) -> Execution | None:
        """Return the execution with this ARN. Return None if Step Functions does not know the
        execution: it never started, AWS deleted it (90 days after its end), or the local stack was
        restarted."""
        if known := self._remembered(arn):
            return known[0]
        try:
            found = self._client.describe_execution(executionArn=arn)
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return _execution(found)

    def list_newest_executions(self, workflow: str) -> list[Execution]:
        """Return the hundred newest executions of the workflow, newest first."""
        found = self._client.list_executions(
            stateMachineArn=self.machines[workflow], maxResults=100
        )
        listed = [_execution(each) for each in found["executions"]]
        return sorted(listed, key=lambda each: each.started_at, reverse=True)

    def read_execution_history(self, execution: Execution) -> HistoryEventList:
        """Return every event of the execution's history, oldest first."""
        if known := self._remembered(execution.arn):
            return known[1]
        pages = self._client.get_paginator("get_execution_history").paginate(
            executionArn=execution.arn,
            includeExecutionData=True,
            PaginationConfig={"PageSize": 1000},
        )
        events: HistoryEventList = [event for page in pages for event in page["events"]]
        if execution.status != "RUNNING":
            with self._lock:
                self._ended[execution.arn] = execution, events
                while len(self._ended) > MAX_CACHED_EXECUTIONS:
                    self._ended.popitem(last=False)
        return events

    def _remembered(self, arn: str) -> tuple[Execution, HistoryEventList] | None:
        with self._lock:
            if arn in self._ended:
                self._ended.move_to_end(arn)
            return self._ended.get(arn)

    def read_arn_and_newest_event_id(self, arn: str) -> tuple[str, int]:
        """Return `arn` and the id of the newest event in the history of the execution `arn`.

        The id grows with each event, so the caller can compare two results to find out whether the
        execution went on. The id is 0 if Step Functions does not know the execution, as after a
        restart of the local stack.
        """
        try:
            found = self._client.get_execution_history(
                executionArn=arn, maxResults=1, reverseOrder=True, includeExecutionData=False
            )
        except self._client.exceptions.ExecutionDoesNotExist:
            return arn, 0
        return arn, max((event["id"] for event in found["events"]), default=0)


def _execution(document: Mapping[str, Any]) -> Execution:
    return Execution(
        arn=document["executionArn"],
        name=document["name"],
        status=document["status"],
        started_at=document["startDate"],
        stopped_at=document.get("stopDate"),
        error=document.get("error"),
        cause=error_message_of_cause(document.get("cause")),
    )
