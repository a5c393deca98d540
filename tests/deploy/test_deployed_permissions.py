"""Least privilege: what a function may do follows from what the catalog says it needs."""

import pytest

from infra import catalog
from infra.catalog import Capability
from tests.deploy.template import Template, as_list, role_of

HAVING_SETTINGS = (Capability.DATABASE, Capability.PROVIDER_LOGIN, Capability.APP_IDENTITY)


def touching(*needs: Capability) -> set[str]:
    return {each.name for each in catalog.FUNCTIONS if each.needs & set(needs)}


@pytest.mark.parametrize(
    ("action", "touch"),
    [("kms:Decrypt", Capability.OPEN_TOKENS), ("kms:GenerateDataKey", Capability.SEAL_TOKENS)],
)
def test_only_functions_that_touch_tokens_may_use_the_key_and_only_for_mail_tokens(
    sync: Template, action: str, touch: Capability
) -> None:
    allowed = sync.may(action)

    assert set(allowed) == touching(touch)
    for statement in allowed.values():
        condition = {"kms:EncryptionContext:purpose": "mail-token"}
        assert statement["Condition"] == {"StringEquals": condition}
        assert statement["Resource"] != "*"


@pytest.mark.parametrize(
    ("secret", "needs"),
    [("Settings", HAVING_SETTINGS), ("Migration", (Capability.SCHEMA,))],
    ids=["settings", "owner's login"],
)
def test_only_functions_that_need_a_secret_may_read_it(
    sync: Template, stateful: Template, secret: str, needs: tuple[Capability, ...]
) -> None:
    (logical_id,) = (
        key for key in stateful.of_type("AWS::SecretsManager::Secret") if key.startswith(secret)
    )

    readers = {
        spec.name
        for spec, properties in sync.functions()
        for statement in sync.statements(role_of(properties))
        if "secretsmanager:GetSecretValue" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if stateful.referred(resource) == {"Ref": logical_id}
    }

    assert readers == touching(*needs)


@pytest.mark.parametrize(
    ("action", "touch"),
    [
        ("StartExecution", Capability.WORKFLOWS),
        ("DescribeExecution", Capability.WORKFLOWS),
        ("StopExecution", Capability.STOP_WORKFLOWS),
    ],
)
def test_only_functions_that_touch_workflows_may_control_executions(
    sync: Template, action: str, touch: Capability
) -> None:
    allowed = sync.may(f"states:{action}")

    assert set(allowed) == touching(touch)
    assert all(len(as_list(each["Resource"])) == 2 for each in allowed.values())


def test_only_what_a_person_asks_stops_executions_and_who_closes_a_run_controls_none(
    sync: Template,
) -> None:
    assert set(sync.may("states:StopExecution")) == {"api", "connect"}
    for action in ("StartExecution", "DescribeExecution", "StopExecution"):
        assert catalog.RUN_CLOSER_FUNCTION not in sync.may(f"states:{action}")


def test_who_takes_an_account_away_may_tell_its_provider_and_stop_its_sync(sync: Template) -> None:
    removing = "DELETE /api/email/accounts/{accountId}"
    (function,) = (each.function for each in catalog.ROUTES if each.key == removing)

    for action in ("kms:Decrypt", "states:StopExecution"):
        assert function in sync.may(action)


def test_only_functions_that_touch_the_bus_may_put_events_and_on_ours_only(sync: Template) -> None:
    (bus,) = sync.of_type("AWS::Events::EventBus")
    allowed = sync.may("events:PutEvents")

    assert set(allowed) == touching(Capability.EVENT_BUS)
    for statement in allowed.values():
        assert statement["Resource"] == {"Fn::GetAtt": [bus, "Arn"]}


def test_only_the_tick_may_invoke_a_function_and_only_the_one_that_it_wakes(
    sync: Template,
) -> None:
    allowed = sync.may("lambda:InvokeFunction")

    assert set(allowed) == touching(Capability.FUNCTIONS) == {"start-due-syncs"}
    woken = {"Ref": sync.alias(catalog.find_function(catalog.BATCH_FUNCTION))}
    assert [each["Resource"] for each in allowed.values()] == [woken]


def test_the_authorizer_may_read_the_secret_and_nothing_else_of_ours(sync: Template) -> None:
    (properties,) = (each for spec, each in sync.functions() if spec is catalog.AUTHORIZER)

    services = {
        action.split(":")[0]
        for statement in sync.statements(role_of(properties))
        for action in as_list(statement["Action"])
    }

    assert services == {"logs", "xray", "secretsmanager"}


def test_no_function_may_do_everything_or_anything_everywhere_except_tracing(
    sync: Template,
) -> None:
    for _, properties in sync.functions():
        for statement in sync.statements(role_of(properties)):
            actions = as_list(statement["Action"])
            assert not any("*" in action for action in actions)
            if "*" in as_list(statement["Resource"]):
                assert {action.split(":")[0] for action in actions} == {"xray"}


def test_a_function_is_told_of_a_resource_only_if_it_may_use_it(sync: Template) -> None:
    told_by = {
        "SETTINGS_SECRET_ARN": touching(*HAVING_SETTINGS),
        "MIGRATION_SECRET_ARN": touching(Capability.SCHEMA),
        "TOKEN_KEY_ARN": touching(Capability.OPEN_TOKENS, Capability.SEAL_TOKENS),
        "MAILBOX_SYNC_ARN": touching(Capability.WORKFLOWS, Capability.WORKFLOW_NAMES),
        "SYNC_ACCOUNTS_ARN": touching(Capability.FUNCTIONS),
        "EVENT_BUS_NAME": touching(Capability.EVENT_BUS),
        "TEST_SYNC_ARN": touching(Capability.WORKFLOWS, Capability.WORKFLOW_NAMES),
        "GRAPH_URL": touching(Capability.PROVIDER_LOGIN),
        "MICROSOFT_AUTHORITY": touching(Capability.PROVIDER_LOGIN),
        "PUBLIC_URL": touching(Capability.PUBLIC_URL),
    }
    for setting, names in told_by.items():
        told = {
            spec.name
            for spec, properties in sync.functions()
            if setting in properties["Environment"]["Variables"]
        }
        assert told == names, setting


def test_what_the_world_may_call_without_a_token_reaches_nothing_but_the_database(
    sync: Template,
) -> None:
    (properties,) = (each for spec, each in sync.functions() if spec.name == "webhook")

    services = {
        action.split(":")[0]
        for statement in sync.statements(role_of(properties))
        for action in as_list(statement["Action"])
    }

    assert services == {"logs", "xray", "secretsmanager"}
