"""Functions, schedule and migration as they are deployed."""

import re

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


def test_logs_that_aws_delivers_need_no_room_in_the_resource_policy(sync: Template) -> None:
    """CloudWatch Logs has one policy of 5,120 characters for all stages of an account."""
    machines = sync.all_of("AWS::StepFunctions::StateMachine")
    targets = [each["LoggingConfiguration"]["Destinations"][0] for each in machines]
    delivered = [each["CloudWatchLogsLogGroup"]["LogGroupArn"] for each in targets]
    delivered.append(
        sync.only_one("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["DestinationArn"]
    )
    groups = {arn["Fn::GetAtt"][0] for arn in delivered}
    names = {sync.resources[each]["Properties"]["LogGroupName"] for each in groups}

    assert len(names) == 3
    for each in names:
        assert re.match(r"/aws/vendedlogs/\w+/Mailsync-prod-Sync\b", each)


def test_no_resource_has_a_physical_name_so_that_two_stages_fit_into_one_account(
    sync: Template, stateful: Template
) -> None:
    names = {"RoleName", "QueueName", "StateMachineName", "AliasName", "KeyName"}
    for resource in [*sync.resources.values(), *stateful.resources.values()]:
        properties = resource.get("Properties", {})
        assert not names & properties.keys()
        if resource["Type"] == "AWS::Lambda::Function":
            assert "FunctionName" not in properties


@pytest.mark.parametrize("schedule", catalog.SCHEDULES, ids=lambda each: each.name)
def test_the_clock_calls_its_functions(sync: Template, schedule: catalog.Schedule) -> None:
    target = {"Ref": sync.alias(catalog.find_function(schedule.function_name))}
    ticks = sync.all_of("AWS::Scheduler::Schedule")
    (tick,) = (each for each in ticks if each["Target"]["Arn"] == target)
    queue = sync.key_of("AWS::SQS::Queue", "LostTicks")

    every = schedule.interval_minutes
    assert tick["ScheduleExpression"] == f"rate({every} minute{'s' if every > 1 else ''})"
    assert tick["State"] == "ENABLED"
    assert tick["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 2
    assert tick["Target"]["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": [queue, "Arn"]}


@pytest.mark.parametrize("schedule", catalog.SCHEDULES, ids=lambda each: each.name)
def test_after_an_outage_a_schedule_has_no_more_ticks_waiting_than_two(
    sync: Template, schedule: catalog.Schedule
) -> None:
    """EventBridge keeps a tick for the time of one interval, then Lambda for the time of another;
    their defaults are 24 and 6 hours. A lost tick is seen, the next does its work."""
    target = {"Ref": sync.alias(catalog.find_function(schedule.function_name))}
    ticks = sync.all_of("AWS::Scheduler::Schedule")
    (tick,) = (each for each in ticks if each["Target"]["Arn"] == target)
    waiting = sync.asynchronous(schedule.function_name)
    interval_s = schedule.interval_minutes * 60

    assert tick["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] == interval_s
    assert waiting["MaximumEventAgeInSeconds"] == interval_s
    assert waiting["MaximumRetryAttempts"] == 0
    queue = {"Fn::GetAtt": [sync.key_of("AWS::SQS::Queue", "LostTicks"), "Arn"]}
    assert waiting["DestinationConfig"]["OnFailure"]["Destination"] == queue


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
        *("ApiUrl", "RedirectUri", "RedirectUriGoogle"),
        *("EventBusName", "MailboxSyncArn", "TestSyncArn"),
    }
    assert sync.outputs["MailboxSyncArn"]["Value"]["Ref"] in machines
    assert sync.outputs["TestSyncArn"]["Value"]["Ref"] in machines
