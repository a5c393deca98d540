"""What an operator sees of a sync on AWS stands in the functions' output: logs and metrics."""

import json
import re
from typing import Any

from infra import catalog
from tests.local.mirror import Mirror
from tests.support.emf import emitted

IN_THE_WORKFLOW = {
    each.name
    for each in catalog.FUNCTIONS
    if each.arn_placeholder_name_in_asl in catalog.MAILBOX_SYNC_WORKFLOW.asl_text
}
# Begins before there is a run to name.
BEFORE_THE_RUN = "validate-account"


def printed(mirror: Mirror) -> dict[str, str]:
    logs = mirror.stack.data / "logs"
    return {path.stem: path.read_text() for path in logs.glob("*.log")}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(each) for each in text.splitlines() if each.startswith('{"level"')]


def test_every_line_of_the_workflow_s_functions_names_run_and_account(mirror: Mirror) -> None:
    mirror.finished()
    mirror.simulate("deliver", subject="Logged")
    before = printed(mirror)
    run_id = mirror.synced()["id"]
    found = {name: text[len(before.get(name, "")) :] for name, text in printed(mirror).items()}

    logged = {name: lines(found.get(name, "")) for name in IN_THE_WORKFLOW - {BEFORE_THE_RUN}}
    assert sum(map(len, logged.values())) > 4
    for name, each in ((name, each) for name, listed in logged.items() for each in listed):
        assert {"run_id", "account_id"} <= each.keys(), (name, each)
        assert re.fullmatch(r"[a-z_]+", each["message"]), (name, each)
    assert run_id in {each["run_id"] for each in logged["mark-complete"]}


def test_a_sync_tells_its_outcome_and_its_requests_without_any_id(mirror: Mirror) -> None:
    before = emitted("".join(printed(mirror).values()))
    run = mirror.synced()
    text = "".join(printed(mirror).values())

    after = emitted(text)
    assert after["RunsCompleted",] == before["RunsCompleted",] + 1
    asked = ("ProviderRequests", "microsoft")
    assert after[asked] - before[asked] >= run["requests"] > 0
    metrics = [each for each in text.splitlines() if each.startswith('{"_aws"')]
    assert {json.loads(each)["service"] for each in metrics} == {"mailsync-local"}
    assert not any(mirror.account.id in each or run["id"] in each for each in metrics)


def test_the_backlog_is_reported(mirror: Mirror) -> None:
    mirror.finished()

    result = mirror.invoke("measure-backlog")

    assert result.keys() == {
        *("due", "overdue_s", "unpublished_s", "quarantined", "contradicted", "to_reconnect")
    }
    levels = {name for name, *_ in emitted(printed(mirror)["measure-backlog"])}
    assert "OldestOverdue" in levels
