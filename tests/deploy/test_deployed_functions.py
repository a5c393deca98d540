"""Functions, schedule and migration as they are deployed."""

import pytest

from infra import catalog
from tests.deploy.template import Template


def test_every_function_is_as_the_catalog_says(sync: Template) -> None:
    for spec, properties in sync.functions():
        assert properties["Timeout"] == spec.timeout_s
        assert properties["MemorySize"] == spec.memory_mb
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["arm64"]
        assert properties["TracingConfig"] == {"Mode": "Active"}


def test_every_function_writes_to_a_log_group_of_its_own_that_forgets(sync: Template) -> None:
    groups = {
        spec.name: properties["LoggingConfig"]["LogGroup"]["Ref"]
        for spec, properties in sync.functions()
    }

    assert len(set(groups.values())) == len(catalog.FUNCTIONS)
    for group in groups.values():
        assert sync.resources[group]["Properties"]["RetentionInDays"] == 30


def test_all_functions_share_one_code_asset(sync: Template) -> None:
    assert len({str(properties["Code"]) for _, properties in sync.functions()}) == 1


def test_nothing_has_a_physical_name_so_that_two_stages_fit_into_one_account(
    sync: Template, stateful: Template
) -> None:
    names = {"RoleName", "QueueName", "StateMachineName", "LogGroupName", "AliasName", "KeyName"}
    for resource in [*sync.resources.values(), *stateful.resources.values()]:
        properties = resource.get("Properties", {})
        assert not names & properties.keys()
        if resource["Type"] == "AWS::Lambda::Function":
            assert "FunctionName" not in properties


@pytest.mark.parametrize("schedule", catalog.SCHEDULES, ids=lambda each: each.name)
def test_the_clock_calls_its_functions_and_a_lost_tick_is_kept(
    sync: Template, schedule: catalog.Schedule
) -> None:
    target = {"Ref": sync.alias(catalog.find_function(schedule.function))}
    ticks = [each["Properties"] for each in sync.of_type("AWS::Scheduler::Schedule").values()]
    (tick,) = [each for each in ticks if each["Target"]["Arn"] == target]
    (queue,) = (key for key in sync.of_type("AWS::SQS::Queue") if "LostTicks" in key)

    every = schedule.every_minutes
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


def test_the_migration_runs_the_version_that_is_being_deployed(sync: Template) -> None:
    handler = sync.only("Custom::Trigger")["Properties"]["HandlerArn"]["Ref"]
    alias = sync.resources[sync.alias(catalog.find_function("migrate-database"))]

    assert alias["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [handler, "Version"]}


def test_the_stack_tells_its_url_and_its_machines(sync: Template) -> None:
    machines = sync.of_type("AWS::StepFunctions::StateMachine")

    assert set(sync.outputs) == {"ApiUrl", "EventBusName", "MailboxSyncArn", "TestSyncArn"}
    assert sync.outputs["MailboxSyncArn"]["Value"]["Ref"] in machines
    assert sync.outputs["TestSyncArn"]["Value"]["Ref"] in machines
