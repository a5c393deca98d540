"""Functions, schedule and migration as they are deployed."""

import pytest

from infra import catalog
from tests.deploy.template import Template


def test_every_function_is_as_the_catalog_says(sync: Template) -> None:
    for spec, properties in sync.functions():
        expected = {
            **{"Timeout": spec.timeout_s, "MemorySize": spec.memory_mb, "Runtime": "python3.13"},
            **{"Architectures": ["arm64"], "TracingConfig": {"Mode": "Active"}},
        }
        assert properties.items() >= expected.items()


def test_every_function_has_a_log_group_that_keeps_a_month(sync: Template) -> None:
    groups = {
        spec.name: properties["LoggingConfig"]["LogGroup"]["Ref"]
        for spec, properties in sync.functions()
    }

    assert len(set(groups.values())) == len(catalog.FUNCTIONS)
    for group in groups.values():
        assert sync.resources[group]["Properties"]["RetentionInDays"] == 30


def test_all_functions_share_one_code_asset(sync: Template) -> None:
    assert len({str(properties["Code"]) for _, properties in sync.functions()}) == 1


def test_no_resource_has_a_physical_name_so_that_two_stages_fit_into_one_account(
    sync: Template, stateful: Template
) -> None:
    names = {"RoleName", "QueueName", "StateMachineName", "LogGroupName", "AliasName", "KeyName"}
    for resource in [*sync.resources.values(), *stateful.resources.values()]:
        properties = resource.get("Properties", {})
        assert not names & properties.keys()
        if resource["Type"] == "AWS::Lambda::Function":
            assert "FunctionName" not in properties


@pytest.mark.parametrize("schedule", catalog.SCHEDULES, ids=lambda each: each.name)
def test_the_clock_calls_its_functions(sync: Template, schedule: catalog.Schedule) -> None:
    target = {"Ref": sync.alias(catalog.find_function(schedule.function))}
    ticks = sync.all_of("AWS::Scheduler::Schedule")
    (tick,) = (each for each in ticks if each["Target"]["Arn"] == target)
    queue = sync.key_of("AWS::SQS::Queue", "LostTicks")

    every = schedule.interval_minutes
    assert tick["ScheduleExpression"] == f"rate({every} minute{'s' if every > 1 else ''})"
    assert tick["State"] == "ENABLED"
    assert tick["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 2
    assert tick["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 300
    assert tick["Target"]["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": [queue, "Arn"]}


def test_no_function_goes_live_before_the_database_is_migrated(sync: Template) -> None:
    (trigger,) = sync.of_type("Custom::Trigger")

    for spec in catalog.FUNCTIONS:
        waits_for = sync.resources[sync.alias(spec)].get("DependsOn", [])
        assert (trigger in waits_for) == (spec.name != "migrate-database")
    # The version that is being deployed migrates.
    handler = sync.only_one("Custom::Trigger")["HandlerArn"]["Ref"]
    alias = sync.resources[sync.alias(catalog.find_function("migrate-database"))]
    assert alias["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [handler, "Version"]}


def test_the_outputs_name_url_bus_and_machines(sync: Template) -> None:
    machines = sync.of_type("AWS::StepFunctions::StateMachine")

    assert set(sync.outputs) == {
        *("ApiUrl", "RedirectUri", "EventBusName", "MailboxSyncArn", "TestSyncArn")
    }
    assert sync.outputs["MailboxSyncArn"]["Value"]["Ref"] in machines
    assert sync.outputs["TestSyncArn"]["Value"]["Ref"] in machines
