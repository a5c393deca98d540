"""Every `*` of every policy is listed here with its reason; a new one is a decision.

Statements that deny are left out: a wildcard in them only forbids more.
"""

import json
from collections.abc import Iterator

from infra import catalog
from tests.deploy.template import Resource, Template, as_list, role_of

TRACING = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
SAMPLING = {"xray:GetSamplingRules", "xray:GetSamplingTargets"}
# Step Functions checks them on "*" when a machine with logs is made (AWS Step Functions
# Developer Guide, "Using CloudWatch Logs to log execution history").
LOG_DELIVERY = {
    *(f"logs:{verb}LogDelivery" for verb in ("Create", "Delete", "Get", "Update")),
    *("logs:ListLogDeliveries", "logs:DescribeLogGroups"),
    *("logs:DescribeResourcePolicies", "logs:PutResourcePolicy"),
}
# X-Ray has no resource to name either (Service Authorization Reference, "AWS X-Ray").
ON_EVERYTHING = (TRACING, TRACING | SAMPLING | LOG_DELIVERY)


def test_a_lone_wildcard_is_used_only_where_aws_knows_no_resource(sync: Template) -> None:
    everything = [
        set(as_list(statement["Action"]))
        for statement in statements(sync)
        if "*" in as_list(statement.get("Resource"))
    ]

    assert len(everything) == len(catalog.FUNCTIONS) + len(catalog.WORKFLOWS)
    assert all(each in ON_EVERYTHING for each in everything)


def test_a_wildcard_that_ends_an_arn_means_parts_of_one_resource(sync: Template) -> None:
    """Executions are named when they start; the trigger of the migration calls its version."""
    ended = {
        action
        for statement in statements(sync)
        for resource in as_list(statement.get("Resource"))
        if resource != "*" and "*" in json.dumps(resource)
        for action in as_list(statement["Action"])
    }

    assert ended == {"states:DescribeExecution", "states:StopExecution", "lambda:InvokeFunction"}


def test_only_the_key_policy_allows_a_whole_service(sync: Template, stateful: Template) -> None:
    """Without that statement no IAM policy could grant the key (AWS KMS Developer Guide,
    "Default key policy"); each principal it admits still needs such a policy."""
    wide = [
        (statement["Action"], statement["Principal"]["AWS"]["Fn::Join"][1][-1])
        for statement in [*statements(sync), *statements(stateful)]
        if any("*" in action for action in as_list(statement["Action"]))
    ]

    assert wide == [("kms:*", ":root")]


def test_only_the_trigger_of_the_migration_uses_a_policy_that_aws_manages(
    sync: Template, stateful: Template, own_sync: Template, own: Template
) -> None:
    for stacks in ((sync, stateful), (own_sync, own)):
        roles = [role for stack in stacks for role in stack.of_type("AWS::IAM::Role").items()]
        managed = [key for key, role in roles if role["Properties"].get("ManagedPolicyArns")]
        assert [key[:13] for key in managed] == ["AWSCDKTrigger"]


def test_no_two_functions_or_machines_share_a_role(sync: Template) -> None:
    machines = sync.all_of("AWS::StepFunctions::StateMachine")
    roles = [role_of(each) for each in (*(found for _, found in sync.functions()), *machines)]

    assert len(set(roles)) == len(catalog.FUNCTIONS) + len(catalog.WORKFLOWS)


def statements(template: Template) -> Iterator[Resource]:
    """All that allow something: of roles, and of queues, buses and keys."""
    for resource in template.resources.values():
        properties = resource.get("Properties", {})
        inline = [each["PolicyDocument"] for each in properties.get("Policies", ())]
        for document in (
            *inline,
            properties.get("PolicyDocument", {}),
            properties.get("KeyPolicy", {}),
            {"Statement": properties.get("Statement", [])},
        ):
            for statement in as_list(document.get("Statement", [])):
                if statement and statement["Effect"] == "Allow":
                    yield statement
