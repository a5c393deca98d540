"""Least privilege: what a function may do follows from its needs in the catalog."""

import json
from pathlib import Path

import pytest

from infra import catalog
from infra.catalog import Capability
from tests.deploy.conftest import other_stage
from tests.deploy.synthesis import PROD
from tests.deploy.template import Template, as_list, role_of

SECRETS = {
    "Database": Capability.USE_DATABASE,
    "ProviderLogins": Capability.USE_APP_CREDENTIALS_AT_PROVIDER,
    "ApplicationKey": Capability.VERIFY_APPLICATION_JWT,
    "Migration": Capability.USE_SCHEMA_OWNER_LOGIN,
}
SINGLE = (*SECRETS.values(), Capability.KNOW_ENABLED_PROVIDERS)


def touching(*needs: Capability) -> set[str]:
    return {each.name for each in catalog.FUNCTIONS if each.capabilities & set(needs)}


@pytest.mark.parametrize(
    ("action", "touch"),
    [
        ("kms:Decrypt", Capability.DECRYPT_STORED_TOKENS),
        ("kms:GenerateDataKey", Capability.ENCRYPT_STORED_TOKENS),
    ],
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


@pytest.mark.parametrize(("secret", "need"), SECRETS.items())
def test_only_functions_that_need_a_secret_may_read_it(
    sync: Template, stateful: Template, secret: str, need: Capability
) -> None:
    assert readers(sync, stateful, secret) == touching(need)


def readers(sync: Template, stateful: Template, secret: str) -> set[str]:
    logical_id = stateful.key_of("AWS::SecretsManager::Secret", secret)
    return {
        name
        for name, resource in sync.allowed("secretsmanager:GetSecretValue")
        if stateful.referred(resource) == {"Ref": logical_id}
    }


def test_a_stage_of_the_previous_release_keeps_its_single_secret(
    before: tuple[Template, Template],
) -> None:
    """Under the same logical id and with the same properties, so that its values stay."""
    sync, stateful = before
    secret = stateful.resources["SettingsSecretF2BF6B26"]["Properties"]

    assert readers(sync, stateful, "Settings") == touching(*SINGLE)
    assert secret["GenerateSecretString"]["SecretStringTemplate"] == json.dumps(
        {"DATABASE_URL": "", "MICROSOFT_CLIENT_ID": "", "MICROSOFT_CLIENT_SECRET": ""}
    )
    assert secret["GenerateSecretString"]["GenerateStringKey"] == "JWT_SECRET"


def test_a_stage_whose_issuer_publishes_its_keys_has_no_key_of_the_application(
    tmp_path: Path,
) -> None:
    stage = {"jwt_jwks_url": "https://i.mailsync.test/keys", "jwt_audience": "inbox"}
    sync, stateful = other_stage(tmp_path, **PROD, **stage)

    assert "ApplicationKeySecretArn" not in stateful.outputs
    assert "authorize" not in sync.may("secretsmanager:GetSecretValue")


@pytest.mark.parametrize(
    ("action", "touch"),
    [
        ("StartExecution", Capability.START_WORKFLOWS),
        ("DescribeExecution", Capability.START_WORKFLOWS),
        ("StopExecution", Capability.STOP_WORKFLOWS),
    ],
)
def test_only_functions_that_touch_workflows_may_control_executions(
    sync: Template, action: str, touch: Capability
) -> None:
    allowed = sync.may(f"states:{action}")

    of_own_machine = touching(Capability.START_SUCCESSOR_EXECUTION)
    assert set(allowed) - of_own_machine == touching(touch) - {catalog.RUN_CLOSER_FUNCTION_NAME}
    both = [each for name, each in allowed.items() if name not in of_own_machine]
    assert all(len(as_list(each["Resource"])) == 2 for each in both)


def test_the_function_that_hands_over_starts_executions_of_its_own_machine_alone(
    sync: Template,
) -> None:
    (function,) = touching(Capability.START_SUCCESSOR_EXECUTION)

    assert sync.may("states:StartExecution")[function]["Resource"] == {
        "Ref": sync.key_of("AWS::StepFunctions::StateMachine", "MailboxSync")
    }
    for action in ("states:DescribeExecution", "states:StopExecution"):
        assert function not in sync.may(action)


def test_only_functions_that_people_call_stop_executions(sync: Template) -> None:
    assert set(sync.may("states:StopExecution")) == {"api", "connect"}


def test_the_function_that_removes_accounts_may_end_subscriptions_and_syncs(sync: Template) -> None:
    removing = "DELETE /api/email/accounts/{accountId}"
    (function,) = (each.function_name for each in catalog.ROUTES if each.route_key == removing)

    for action in ("kms:Decrypt", "states:StopExecution"):
        assert function in sync.may(action)


def test_only_functions_that_touch_the_bus_may_put_events_and_on_ours_only(sync: Template) -> None:
    (bus,) = sync.of_type("AWS::Events::EventBus")
    allowed = sync.may("events:PutEvents")

    assert set(allowed) == touching(Capability.PUT_EVENTS)
    for statement in allowed.values():
        assert statement["Resource"] == {"Fn::GetAtt": [bus, "Arn"]}


def test_only_the_tick_and_the_webhook_may_invoke_a_function_and_only_the_one_that_checks(
    sync: Template,
) -> None:
    allowed = sync.may("lambda:InvokeFunction")

    assert set(allowed) == touching(Capability.INVOKE_MAILBOX_CHECKS)
    assert set(allowed) == {"start-due-syncs", "webhook"}
    invoked = {"Ref": sync.alias(catalog.find_function(catalog.MAILBOX_CHECK_FUNCTION_NAME))}
    assert [each["Resource"] for each in allowed.values()] == [invoked, invoked]


def test_the_test_of_providers_reads_no_secret(sync: Template) -> None:
    """It sends requests without a login."""
    readers = {name for name, _ in sync.allowed("secretsmanager:GetSecretValue")}

    assert {each.name for each in catalog.FUNCTIONS} - readers == {"reach-provider"}


@pytest.mark.parametrize(
    ("function", "more"), [(catalog.AUTHORIZER_FUNCTION.name, set()), ("webhook", {"lambda"})]
)
def test_a_public_function_reads_one_secret_and_the_webhook_invokes_checks(
    sync: Template, function: str, more: set[str]
) -> None:
    (role,) = (role_of(each) for spec, each in sync.functions() if spec.name == function)
    actions = [as_list(each["Action"]) for each in sync.statements(role)]

    services = {action.split(":")[0] for each in actions for action in each}
    assert services == {"logs", "xray", "secretsmanager"} | more


KNOWING_PROVIDERS = touching(
    Capability.USE_APP_CREDENTIALS_AT_PROVIDER, Capability.KNOW_ENABLED_PROVIDERS
)


def test_an_environment_names_a_resource_only_if_the_function_may_use_it(sync: Template) -> None:
    named_in = {
        "SETTINGS_SECRET_ARN": set[str](),
        "DATABASE_SECRET_ARN": touching(Capability.USE_DATABASE),
        "PROVIDER_LOGINS_SECRET_ARN": touching(Capability.USE_APP_CREDENTIALS_AT_PROVIDER),
        "APPLICATION_KEY_SECRET_ARN": touching(Capability.VERIFY_APPLICATION_JWT),
        **dict.fromkeys(("MICROSOFT_CLIENT_ID", "IMAP_SERVERS"), KNOWING_PROVIDERS),
        "MIGRATION_SECRET_ARN": touching(Capability.USE_SCHEMA_OWNER_LOGIN),
        "TOKEN_KEY_ARN": touching(
            Capability.DECRYPT_STORED_TOKENS, Capability.ENCRYPT_STORED_TOKENS
        ),
        "MAILBOX_SYNC_ARN": touching(Capability.START_WORKFLOWS, Capability.KNOW_WORKFLOW_ARNS),
        "SYNC_ACCOUNTS_ARN": touching(Capability.INVOKE_MAILBOX_CHECKS),
        "EVENT_BUS_NAME": touching(Capability.PUT_EVENTS),
        "TEST_SYNC_ARN": touching(Capability.START_WORKFLOWS, Capability.KNOW_WORKFLOW_ARNS),
        "GRAPH_URL": touching(
            Capability.USE_APP_CREDENTIALS_AT_PROVIDER, Capability.REACH_PROVIDER_SERVERS
        ),
        "MICROSOFT_AUTHORITY": touching(Capability.USE_APP_CREDENTIALS_AT_PROVIDER),
        "PUBLIC_URL": touching(Capability.KNOW_PUBLIC_API_URL),
    }
    for setting, names in named_in.items():
        found = {
            spec.name
            for spec, properties in sync.functions()
            if setting in properties["Environment"]["Variables"]
        }
        assert found == names, setting
