"""GET /api/test-sync, GET /api/health, and the problems that any route may return."""

import logging

import pytest

from mailsync.model import AccountId
from mailsync.runs.step_functions import StepFunctions
from mailsync.settings import Settings
from mailsync.store.connection import connect
from tests.api.requests import Api
from tests.api.syncs import STATUS, executions, start

TEST, HEALTH = "GET /api/test-sync", "GET /api/health"
PROBLEM = "application/problem+json"
GATEWAY_S = 29
OTHERS_END = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = :name AND pid <> pg_backend_pid()"
)


def test_the_self_test_is_started(api: Api) -> None:
    response = api(TEST)

    assert response.status == 200
    assert response.json["success"] is True
    assert response.json["message"] == "Test sync started!"
    execution = executions("TEST_SYNC_ARN")[response.json["eventId"]]
    assert execution["executionArn"] == response.json["executionArn"]


def test_a_database_without_the_schema_is_unhealthy(
    api: Api, environment: pytest.MonkeyPatch, empty_settings: Settings
) -> None:
    environment.setenv("DATABASE_URL", empty_settings.database_url)

    response = api(HEALTH, user=None)

    assert response.problem == (503, "schema-outdated")
    assert response.headers["Content-Type"] == PROBLEM
    assert "migrate-database" in response.json["detail"]


def test_a_database_that_cannot_be_written_is_unhealthy_until_it_can(
    api: Api, account_id: AccountId, database_url: str
) -> None:
    """In one process all the time."""
    owner = connect(Settings({"DATABASE_URL": database_url}))
    (name,) = owner.run("SELECT current_database()")[0]
    healthy = api(HEALTH, user=None)
    assert (healthy.status, healthy.json) == (200, {"status": "ok"})
    owner.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    owner.run(OTHERS_END, name=name)

    refused = [api(HEALTH, user=None), start(api, account_id)]
    seen = api(STATUS, query={"accountId": account_id})
    owner.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    owner.close()

    for response in refused:
        assert response.problem == (503, "store-unavailable")
        assert response.headers["Retry-After"] == "5"
        assert "read-only (SQLSTATE 25006)" in response.json["detail"]
    assert seen.status == 200
    assert api(HEALTH, user=None).status == 200
    assert start(api, account_id).status == 202


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://postgres:hunter2@127.0.0.1:1/mailsync", "store-unavailable"),
        ("postgresql://hunter2:hunter2@[hunter2]/hunter2", "setting-missing"),
    ],
)
def test_a_database_that_cannot_be_reached_is_unhealthy_and_no_part_of_its_url_is_shown(
    *,
    api: Api,
    environment: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    url: str,
    problem: str,
) -> None:
    environment.setenv("DATABASE_URL", url)

    with caplog.at_level(logging.INFO):
        response = api(HEALTH, user=None)

    assert response.problem == (503, problem)
    assert (response.headers.get("Retry-After") == "5") is (problem == "store-unavailable")
    assert "hunter2" not in response.text + str([vars(each) for each in caplog.records])


@pytest.mark.parametrize(
    ("name", "value", "problem", "named"),
    [
        ("TEST_SYNC_ARN", "", "setting-missing", "TEST_SYNC_ARN"),
        ("TEST_SYNC_ARN", "hunter2", "setting-missing", "TEST_SYNC_ARN"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1/hunter2", "aws-unavailable", "AWS"),
    ],
)
def test_a_setting_with_which_step_functions_cannot_be_called_is_named_and_not_quoted(
    *, api: Api, environment: pytest.MonkeyPatch, name: str, value: str, problem: str, named: str
) -> None:
    environment.setenv(name, value)

    response = api(TEST)

    assert response.problem == (503, problem)
    assert named in response.json["detail"]
    assert "hunter2" not in response.text
    assert (response.headers.get("Retry-After") == "5") is (problem == "aws-unavailable")


@pytest.mark.parametrize("route", ["GET /api/nothing", "PUT /api/email/sync"])
def test_an_unknown_route_is_a_problem_too(api: Api, route: str) -> None:
    response = api(route)

    assert response.problem == (404, "route-not-found")
    assert response.headers["Content-Type"] == PROBLEM


def test_step_functions_have_less_time_than_the_gateway(environment: pytest.MonkeyPatch) -> None:
    client = StepFunctions()._client

    pauses_s = sum(2.0**attempt for attempt in range(client.max_attempts - 1))
    assert client.max_attempts * 2 * client.timeout_s + pauses_s < GATEWAY_S


def test_the_text_of_an_unexpected_error_is_neither_returned_nor_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Any foreign text may quote a secret."""

    def fail(*_: object) -> None:
        raise LookupError("hunter2")

    monkeypatch.setattr(StepFunctions, "start_execution", fail)

    with caplog.at_level(logging.INFO):
        response = api(TEST)

    assert response.problem == (500, "unexpected")
    assert "hunter2" not in response.text + str([vars(each) for each in caplog.records])
    (report,) = [each for each in caplog.records if each.message == "request_failed"]
    assert all(".py:" in each for each in vars(report)["where"])
