"""Executions of the state machines, by Step Functions' API, on AWS and here alike."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.definition import Scope, read_definition
from infra.catalog import TEST_SYNC

MAX_CACHED_EXECUTIONS = 50
"""Executions that have ended, with their histories; neither ever changes."""

Events = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Execution:
    """`status` is Step Functions': RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""

    arn: str
    name: str
    status: str
    started_at: datetime
    stopped_at: datetime | None
    error: str | None = None
    cause: str | None = None


class Executions:
    """machines: ARNs by the name of the workflow. Safe to use from several threads."""

    def __init__(self, client: Any, machines: Mapping[str, str]) -> None:
        self.machines = machines
        self._client = client
        self._lock = threading.Lock()
        self._definitions: dict[str, Scope] = {}
        self._ended: OrderedDict[str, tuple[Execution, Events]] = OrderedDict()

    def definition(self, workflow: str) -> Scope:
        """Return the definition that is deployed, not the one of this checkout."""
        if workflow not in self._definitions:
            arn = self.machines[workflow]
            text = self._client.describe_state_machine(stateMachineArn=arn)["definition"]
            self._definitions[workflow] = read_definition(text)
        return self._definitions[workflow]

    def arn(self, workflow: str, name: str) -> str:
        return f"{self.machines[workflow].replace(':stateMachine:', ':execution:')}:{name}"

    def find(self, arn: str) -> Execution | None:
        """Return the execution, or None: it never began, or the local stack was restarted."""
        if known := self._remembered(arn):
            return known[0]
        try:
            found = self._client.describe_execution(executionArn=arn)
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return _execution(found)

    def newest(self, workflow: str) -> list[Execution]:
        """Return a hundred executions at most, from the newest on."""
        found = self._client.list_executions(
            stateMachineArn=self.machines[workflow], maxResults=100
        )
        listed = [_execution(each) for each in found["executions"]]
        return sorted(listed, key=lambda each: each.started_at, reverse=True)

    def history(self, execution: Execution) -> Events:
        """Return every event, in the order in which they happened."""
        if known := self._remembered(execution.arn):
            return known[1]
        pages = self._client.get_paginator("get_execution_history").paginate(
            executionArn=execution.arn,
            includeExecutionData=True,
            PaginationConfig={"PageSize": 1000},
        )
        events: Events = [event for page in pages for event in page["events"]]
        if execution.status != "RUNNING":
            with self._lock:
                self._ended[execution.arn] = execution, events
                while len(self._ended) > MAX_CACHED_EXECUTIONS:
                    self._ended.popitem(last=False)
        return events

    def _remembered(self, arn: str) -> tuple[Execution, Events] | None:
        with self._lock:
            if arn in self._ended:
                self._ended.move_to_end(arn)
            return self._ended.get(arn)

    def running_self_tests(self) -> list[str]:
        """Return the ARNs of self-tests that run now."""
        return [each.arn for each in self.newest(TEST_SYNC.name) if each.status == "RUNNING"]

    def change_version(self, arn: str) -> tuple[str, int]:
        """Differs as soon as the execution has gone on."""
        found = self._client.get_execution_history(
            executionArn=arn, maxResults=1, reverseOrder=True, includeExecutionData=False
        )
        return arn, max((event["id"] for event in found["events"]), default=0)


def _execution(document: Mapping[str, Any]) -> Execution:
    return Execution(
        arn=document["executionArn"],
        name=document["name"],
        status=document["status"],
        started_at=document["startDate"],
        stopped_at=document.get("stopDate"),
        error=document.get("error"),
        cause=document.get("cause"),
    )
