"""GET /api/test-sync, GET /api/health, and how the API refuses in general."""

import logging
from typing import Any

import boto3
import pytest

from mailsync.runs.step_functions import StepFunctions
from mailsync.settings import Settings
from mailsync.store.connection import connect
from tests.api.conftest import Ask, Connect

PROBLEM = "application/problem+json"
GATEWAY_S = 29
OTHERS_END = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = :name AND pid <> pg_backend_pid()"
)


def test_the_self_test_is_started(ask: Ask) -> None:
    answer = ask("GET /api/test-sync")

    assert answer.status == 200
    assert answer.json["success"] is True
    assert answer.json["message"] == "Test sync started!"
    described = boto3.client("stepfunctions").describe_execution(
        executionArn=answer.json["executionArn"]
    )
    assert described["name"] == answer.json["eventId"]


def test_a_healthy_system_says_so_to_anybody(ask: Ask) -> None:
    answer = ask("GET /api/health", user=None)

    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_a_database_without_the_schema_is_unhealthy(
    ask: Ask, environment: pytest.MonkeyPatch, empty_settings: Settings
) -> None:
    environment.setenv("DATABASE_URL", empty_settings.database_url)

    answer = ask("GET /api/health", user=None)

    assert answer.status == 503
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.json["type"] == "urn:mailsync:problem:schema-outdated"
    assert "migrate-database" in answer.json["detail"]


def test_a_database_that_does_not_answer_is_unhealthy(
    ask: Ask, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABASE_URL", "postgresql://postgres:hunter2@127.0.0.1:1/mailsync")

    answer = ask("GET /api/health", user=None)

    assert answer.status == 503
    assert answer.json["type"] == "urn:mailsync:problem:store-unavailable"
    assert answer.headers["Retry-After"] == "5"
    assert "hunter2" not in answer.text


def test_a_database_that_cannot_be_written_is_unhealthy_until_it_can(
    ask: Ask, connect_account: Connect, database_url: str
) -> None:
    """What answers is the same process all the time."""
    account_id = connect_account()
    sync = {"body": {"accountId": account_id}}
    owner = connect(Settings({"DATABASE_URL": database_url}))
    (name,) = owner.run("SELECT current_database()")[0]
    assert ask("GET /api/health", user=None).status == 200
    owner.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    owner.run(OTHERS_END, name=name)

    refused = [ask("GET /api/health", user=None), ask("POST /api/email/sync", **sync)]
    seen = ask("GET /api/email/sync", query={"accountId": account_id})
    owner.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    owner.close()

    for answer in refused:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json["type"] == "urn:mailsync:problem:store-unavailable"
        assert "read-only (SQLSTATE 25006)" in answer.json["detail"]
    assert seen.status == 200
    assert ask("GET /api/health", user=None).status == 200
    assert ask("POST /api/email/sync", **sync).status == 202


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hunter2:[hunter2@hunter2/hunter2",
        "postgresql://hunter2:hunter2@[hunter2]/hunter2",
        "postgresql://hunter2:hunter2@hunter2:hunter2/hunter2",
        "postgresql://hunter2:hunter2\u2100@hunter2/hunter2?hunter2=hunter2",
    ],
)
def test_no_part_of_a_malformed_url_is_told_or_logged(
    ask: Ask, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    environment.setenv("DATABASE_URL", url)

    with caplog.at_level(logging.INFO):
        answer = ask("GET /api/health", user=None)

    assert answer.status == 503
    assert "hunter2" not in answer.text + str([vars(each) for each in caplog.records])


def test_a_missing_setting_is_named(ask: Ask, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("TEST_SYNC_ARN")

    answer = ask("GET /api/test-sync")

    assert answer.status == 503
    assert answer.json["type"] == "urn:mailsync:problem:setting-missing"
    assert "TEST_SYNC_ARN" in answer.json["detail"]


@pytest.mark.parametrize(
    ("route", "parts"),
    [
        ("GET /api/test-sync", {}),
        ("GET /api/email/sync", {"query": {"accountId": "5b0f6a52-7c1e-4f0a-9d3a-2f1b8c9d0e11"}}),
        ("POST /api/email/sync", {"body": {"accountId": "5b0f6a52-7c1e-4f0a-9d3a-2f1b8c9d0e11"}}),
    ],
)
def test_nobody_is_served_without_a_user(ask: Ask, route: str, parts: dict[str, Any]) -> None:
    answer = ask(route, user=None, **parts)

    assert answer.status == 401
    assert answer.json["type"] == "urn:mailsync:problem:not-signed-in"


@pytest.mark.parametrize("route", ["GET /api/nothing", "PUT /api/email/sync"])
def test_an_unknown_route_is_a_problem_too(ask: Ask, route: str) -> None:
    answer = ask(route)

    assert answer.status == 404
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.json["type"] == "urn:mailsync:problem:route-not-found"


def test_an_arn_that_step_functions_refuses_is_named_by_its_setting_and_not_quoted(
    ask: Ask, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("TEST_SYNC_ARN", "hunter2")

    answer = ask("GET /api/test-sync")

    assert answer.status == 503
    assert answer.json["type"] == "urn:mailsync:problem:setting-missing"
    assert "TEST_SYNC_ARN" in answer.json["detail"]
    assert "hunter2" not in answer.text


def test_a_service_of_aws_that_does_not_answer_is_worth_another_try_and_not_quoted(
    ask: Ask, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1/hunter2")

    answer = ask("GET /api/test-sync")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json["type"] == "urn:mailsync:problem:aws-unavailable"
    assert "hunter2" not in answer.text


def test_step_functions_have_less_time_than_the_gateway(environment: pytest.MonkeyPatch) -> None:
    patience = StepFunctions()._client.meta.config

    attempts = patience.retries["total_max_attempts"]
    assert attempts * (patience.connect_timeout + patience.read_timeout) < GATEWAY_S


def test_what_nobody_expected_is_neither_told_nor_logged_in_its_own_words(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Any foreign text may quote a secret."""

    def fail(*_: object) -> None:
        raise LookupError("hunter2")

    monkeypatch.setattr(StepFunctions, "start", fail)

    with caplog.at_level(logging.INFO):
        answer = ask("GET /api/test-sync")

    assert answer.status == 500
    assert answer.json["type"] == "urn:mailsync:problem:unexpected"
    assert "hunter2" not in answer.text + str([vars(each) for each in caplog.records])
    (report,) = [each for each in caplog.records if each.message == "request_failed"]
    assert all(".py:" in each for each in vars(report)["where"])
