"""Few metrics, a closed set of dimensions, and one line at the end of an invocation."""

import re

import pytest

from infra import catalog
from mailsync.decisions.due import EXECUTION_DIED_ERROR_NAME, EXECUTION_STOPPED_ERROR_NAME
from mailsync.metrics import (
    ERROR_DIMENSION_VALUES,
    ERROR_NAMES_WITHOUT_EXCEPTION_CLASS,
    MAX_METRIC_SERIES_PER_STAGE,
    METRICS,
    PROVIDER_REQUESTS,
    add_failed_run_to_metrics,
    add_to_metric,
    add_to_provider_metric,
    emit_metrics_after_handler,
    set_all_gauge_metrics,
    to_error_dimension_value,
)
from mailsync.registry import MICROSOFT, implemented_providers
from tests.support.emf import counting, emitted
from tests.support.paths import ROOT

HANDLERS = ROOT / "lambdas/handlers"
DOLLARS_PER_SERIES = 0.30


def test_all_combinations_of_names_and_dimensions_cost_at_most_twelve_dollars_a_month() -> None:
    assert len({each.name for each in METRICS}) == len(METRICS)
    of_providers = [each for each in METRICS if each.second_dimension_name == "provider"]
    assert (
        len(METRICS)
        - 1
        - len(of_providers)
        + len(ERROR_DIMENSION_VALUES)
        + len(of_providers) * len(implemented_providers())
    ) == MAX_METRIC_SERIES_PER_STAGE
    assert MAX_METRIC_SERIES_PER_STAGE * DOLLARS_PER_SERIES <= 12


def test_whatever_a_run_fails_of_is_counted_under_a_name_of_the_closed_set() -> None:
    strange = ["KeyError", "", "Lambda.Unknown", "Sandbox.Timedout", "States.DataLimitExceeded"]

    assert {to_error_dimension_value(each) for each in [*ERROR_DIMENSION_VALUES, *strange]} == set(
        ERROR_DIMENSION_VALUES
    )
    assert to_error_dimension_value("Runtime.ExitError") == "FunctionFailed"
    assert to_error_dimension_value("KeyError") == "Unexpected"


def test_the_names_that_no_function_raises_are_those_of_schedule_and_workflow() -> None:
    failed_at = re.findall(r'"Error": "(\w+)"', catalog.MAILBOX_SYNC_WORKFLOW.asl_text)

    assert {
        EXECUTION_DIED_ERROR_NAME,
        EXECUTION_STOPPED_ERROR_NAME,
    } < ERROR_NAMES_WITHOUT_EXCEPTION_CLASS
    assert {
        *failed_at,
        EXECUTION_DIED_ERROR_NAME,
        EXECUTION_STOPPED_ERROR_NAME,
    } >= ERROR_NAMES_WITHOUT_EXCEPTION_CLASS


def test_an_invocation_tells_sums_in_one_line_and_one_more_per_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with counting(monkeypatch):
        for _ in range(250):
            add_to_metric(PROVIDER_REQUESTS)
        add_failed_run_to_metrics("AccessRevoked")

    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 2
    assert emitted(printed) == {("ProviderRequests",): 250, ("RunsFailed", "AccessRevoked"): 1}


def test_a_function_that_fails_tells_what_it_had_counted_and_the_next_begins_at_zero(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @emit_metrics_after_handler
    def failing(_event: object, _context: object) -> None:
        add_to_metric(PROVIDER_REQUESTS, 3)
        raise RuntimeError

    with counting(monkeypatch):
        with pytest.raises(RuntimeError):
            failing({}, None)
        assert emitted(capsys.readouterr().out) == {("ProviderRequests",): 3}

    assert capsys.readouterr().out == ""


def test_graphs_add_up_events_and_neither_levels_nor_durations() -> None:
    added_up = {each for each in METRICS if each.is_graphed_as_sum_per_period}

    assert PROVIDER_REQUESTS in added_up
    assert not [each.name for each in added_up if each.is_gauge or each.unit == "Seconds"]


def test_levels_are_told_by_one_function_only_so_that_they_are_not_added_up() -> None:
    users = [
        each.name for each in HANDLERS.glob("*.py") if "set_all_gauge_metrics" in each.read_text()
    ]

    assert users == ["measure_backlog.py"]
    assert {each.name for each in METRICS if each.is_gauge} == {
        *("DueBacklog", "OldestOverdue", "OldestUnpublishedEvent", "QuarantinedMessages"),
        *("ContradictedMessages", "AccountsToReconnect"),
    }


@pytest.mark.parametrize("function", catalog.FUNCTIONS, ids=lambda each: each.name)
def test_every_function_tells_what_it_counted(function: catalog.Function) -> None:
    text = (HANDLERS / f"{function.handler_module}.py").read_text()

    assert "@emit_metrics_after_handler\ndef handler(" in text


def test_each_level_and_each_provider_is_told_under_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with counting(monkeypatch):
        set_all_gauge_metrics(
            due=1, overdue_s=2, unpublished_s=3, quarantined=4, contradicted=5, to_reconnect=6
        )
        add_to_provider_metric(PROVIDER_REQUESTS, MICROSOFT, 7)

    assert emitted(capsys.readouterr().out) == {
        ("DueBacklog",): 1,
        ("OldestOverdue",): 2,
        ("OldestUnpublishedEvent",): 3,
        ("QuarantinedMessages",): 4,
        ("ContradictedMessages",): 5,
        ("AccountsToReconnect",): 6,
        ("ProviderRequests", "microsoft"): 7,
    }
