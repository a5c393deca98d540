"""What CloudFormation would refuse, and what refers to another resource than it means.

cfn-lint holds the templates against the schemas of CloudFormation and follows each reference. What
it does not check, AWS may still refuse: quotas, IAM conditions, whether a bucket holds the code.
"""

import json
import subprocess
import sys
from pathlib import Path

from infra import catalog
from tests.deploy.template import Template, as_list

# CDK names dependencies that a reference implies as well.
LINT = [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", "W3005", "--"]
STATEFUL = "Mailsync-prod-Stateful"


def test_both_stacks_are_valid_with_and_without_a_database(
    assembly: Path, own_assembly: Path, sync: Template, own_sync: Template, tmp_path: Path
) -> None:
    """The functions of a stage without a database are those of the other, outside a network."""
    templates = [*own_assembly.glob("*.template.json"), assembly / f"{STATEFUL}.template.json"]
    for each in templates:
        # E3601 of cfn-lint knows no placeholder in the Resource of a task.
        filled = each.read_text().replace("arn:${Partition}:states:", "arn:aws:states:")
        (tmp_path / each.name).write_text(filled)
    linted = subprocess.run(
        [*LINT, *tmp_path.iterdir()], capture_output=True, text=True, check=False
    )

    assert len(templates) == 3
    assert (linted.returncode, linted.stdout) == (0, "")
    assert kinds(sync) <= kinds(own_sync)


def test_no_template_names_a_partition(
    sync: Template, stateful: Template, own_sync: Template, own: Template
) -> None:
    """In China and GovCloud an ARN begins with arn:aws-cn and arn:aws-us-gov."""
    for each in (sync, stateful, own_sync, own):
        assert "arn:aws" not in json.dumps(each.resources)


def test_what_calls_a_function_may_call_it(sync: Template) -> None:
    """API Gateway and EventBridge by a permission of its alias, the scheduler in a role."""
    routed = {each.function_name for each in catalog.ROUTES} | {catalog.AUTHORIZER_FUNCTION.name}
    informed = {each.function_name for each in catalog.EVENT_RULES}
    informed |= {catalog.RUN_CLOSER_FUNCTION_NAME, catalog.OUTBOX_PUBLISHER_FUNCTION_NAME}

    assert {
        (each["FunctionName"]["Ref"], each["Principal"])
        for each in sync.all_of("AWS::Lambda::Permission")
    } == {
        *((alias(sync, each), "apigateway.amazonaws.com") for each in routed),
        *((alias(sync, each), "events.amazonaws.com") for each in informed),
    }
    for tick in sync.all_of("AWS::Scheduler::Schedule"):
        role = tick["Target"]["RoleArn"]["Fn::GetAtt"][0]
        callable_ = [each["Resource"] for each in sync.statements(role)]
        assert tick["Target"]["Arn"] in [arn for each in callable_ for arn in as_list(each)]


def test_a_setting_that_names_a_resource_names_the_one_it_says(
    sync: Template, stateful: Template
) -> None:
    secret, key = "AWS::SecretsManager::Secret", stateful.key_of("AWS::KMS::Key", "")
    meant = {
        "MAILBOX_SYNC_ARN": sync.outputs["MailboxSyncArn"]["Value"],
        "TEST_SYNC_ARN": sync.outputs["TestSyncArn"]["Value"],
        "EVENT_BUS_NAME": {"Ref": sync.key_of("AWS::Events::EventBus", "")},
        "SYNC_ACCOUNTS_ARN": {"Ref": alias(sync, catalog.MAILBOX_CHECK_FUNCTION_NAME)},
        "DATABASE_SECRET_ARN": {"Ref": stateful.key_of(secret, "Database")},
        "PROVIDER_LOGINS_SECRET_ARN": {"Ref": stateful.key_of(secret, "ProviderLogins")},
        "APPLICATION_KEY_SECRET_ARN": {"Ref": stateful.key_of(secret, "ApplicationKey")},
        "MIGRATION_SECRET_ARN": {"Ref": stateful.key_of(secret, "Migration")},
        "TOKEN_KEY_ARN": {"Fn::GetAtt": [key, "Arn"]},
    }
    for _, properties in sync.functions():
        variables = properties["Environment"]["Variables"]
        for name in meant.keys() & variables:
            value = variables[name]
            of_other_stack = "Fn::GetStackOutput" in value
            assert (stateful.referred(value) if of_other_stack else value) == meant[name]


def alias(sync: Template, function: str) -> str:
    """The logical id of the function's alias."""
    return sync.alias(catalog.find_function(function))


def kinds(template: Template) -> set[str]:
    return {each["Type"] for each in template.resources.values()}
