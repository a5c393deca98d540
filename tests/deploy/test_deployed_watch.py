"""What the operator sees: alarms that say what to do, where they are sent, one dashboard."""

import json
import re
from typing import Any

from benchmarks.cost import MAX_ALARM_METRICS, MAX_KEYS, MAX_SECRETS
from infra import catalog
from mailsync.metrics import ERROR_DIMENSION_VALUES, METRICS
from tests.deploy.conftest import TOPIC
from tests.deploy.template import Resource, Template
from tests.support.paths import ROOT


def alarms(template: Template) -> list[Resource]:
    return template.all_of("AWS::CloudWatch::Alarm")


def watched(alarm: Resource) -> list[Resource]:
    """The metrics behind an alarm."""
    if "MetricName" in alarm:
        return [alarm]
    return [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]


def named(metric: Resource) -> tuple[str, dict[str, Any]]:
    return metric["MetricName"], {
        each["Name"]: each["Value"] for each in metric.get("Dimensions", [])
    }


def test_every_error_of_a_run_has_one_alarm_or_is_listed_as_not_ours() -> None:
    from infra.sync_alarms import ERROR_NAMES_FOR_USERS_TO_SOLVE

    groups = [*groups_with_an_alarm(), ERROR_NAMES_FOR_USERS_TO_SOLVE]
    named = [each for group in groups for each in group]

    assert sorted(named) == sorted(ERROR_DIMENSION_VALUES)
    assert max(len(group) for group in groups) <= 10, "metrics of one alarm"


def test_alarms_watch_the_errors_of_their_group(sync: Template) -> None:
    by_errors = {
        frozenset(named(each)[1]["error"] for each in watched(alarm))
        for alarm in alarms(sync)
        if all(each["MetricName"] == "RunsFailed" for each in watched(alarm))
    }

    assert by_errors == {frozenset(group) for group in groups_with_an_alarm()}


def groups_with_an_alarm() -> list[tuple[str, ...]]:
    from infra.sync_alarms import (
        INCOMPLETE_DEPLOYMENT_ERROR_NAMES,
        INTERRUPTED_RUN_ERROR_NAMES,
        MAILBOX_PROBLEM_OR_DEFECT_ERROR_NAMES,
        OUTAGE_ERROR_NAMES,
    )

    return [
        INCOMPLETE_DEPLOYMENT_ERROR_NAMES,
        MAILBOX_PROBLEM_OR_DEFECT_ERROR_NAMES,
        OUTAGE_ERROR_NAMES,
        INTERRUPTED_RUN_ERROR_NAMES,
    ]


def test_every_metric_of_ours_on_alarms_is_one_that_this_stage_reports(sync: Template) -> None:
    ours = [
        named(metric)
        for alarm in alarms(sync)
        for metric in watched(alarm)
        if metric["Namespace"] == "Mailsync"
    ]
    services = {
        properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for _, properties in sync.functions()
    }

    for metric in (each for alarm in alarms(sync) for each in watched(alarm)):
        if metric["Namespace"] != "Mailsync":
            assert all(isinstance(each["Value"], dict) for each in metric["Dimensions"]), (
                "a reference, since the metric of a misspelt name is never anything but missing"
            )
    assert {name for name, _ in ours} < {each.name for each in METRICS}
    assert {dimensions["service"] for _, dimensions in ours} == services == {"mailsync-prod"}


def test_each_alarm_says_what_to_do_and_names_its_section_of_the_runbook(sync: Template) -> None:
    from infra.sync_alarms import RUNBOOK_PATH

    headings = re.findall(r"^### (\w+)$", (ROOT / RUNBOOK_PATH).read_text(), re.MULTILINE)
    named = set()
    for alarm in alarms(sync):
        sentence, section = alarm["AlarmDescription"].rsplit(f"{RUNBOOK_PATH}, ", 1)
        assert sentence.strip().endswith(".")
        named.add(section.removesuffix("."))

    assert named == set(headings)


def test_many_accounts_that_close_at_once_raise_an_alarm(sync: Template) -> None:
    """One is a person who changed a password; ten are an outage or a withdrawn consent."""
    ((alarm, stat),) = (
        (alarm, each["MetricStat"])
        for alarm in alarms(sync)
        for each in alarm.get("Metrics", ())
        if each.get("MetricStat", {}).get("Metric", {}).get("MetricName") == "AccountsClosed"
    )

    assert (alarm["Threshold"], stat["Period"], stat["Stat"]) == (10, 3600, "Sum")


def test_silence_is_an_alarm_only_while_the_clock_runs(
    sync: Template, with_topic: Template
) -> None:
    def breaching(template: Template) -> list[str]:
        rising = [each for each in alarms(template) if each["TreatMissingData"] == "breaching"]
        return [metric["MetricName"] for each in rising for metric in watched(each)]

    assert breaching(sync) == ["OldestOverdue"]
    assert breaching(with_topic) == []


def test_lost_and_throttled_ticks_raise_alarms_that_end_by_themselves(sync: Template) -> None:
    (key, queue) = next(
        each for each in sync.of_type("AWS::SQS::Queue").items() if "LostTicks" in each[0]
    )
    called = {*(each.function_name for each in catalog.SCHEDULES), catalog.RUN_CLOSER_FUNCTION_NAME}
    functions = {sync.function(each) for each in called}
    watching = {
        frozenset(str(named(each)[1]) for each in watched(alarm)): alarm
        for alarm in alarms(sync)
        if watched(alarm)[0]["MetricName"] in ("ApproximateNumberOfMessagesVisible", "Throttles")
    }

    assert queue["Properties"]["MessageRetentionPeriod"] == 3600
    depth = watching[frozenset([str({"QueueName": {"Fn::GetAtt": [key, "QueueName"]}})])]
    # More than one tick of each schedule: a database that restarts in a minute wakes no person.
    assert depth["Threshold"] == len(catalog.SCHEDULES) + 1
    assert frozenset(str({"FunctionName": {"Ref": each}}) for each in functions) in watching


def test_a_stage_has_no_more_than_the_page_of_costs_counts(
    sync: Template, with_email: Template, stateful: Template, own: Template
) -> None:
    """Alarms are billed by the metrics behind them."""
    assert sum(len(watched(each)) for each in alarms(sync)) <= MAX_ALARM_METRICS
    for each in (stateful, own):
        assert len(each.of_type("AWS::SecretsManager::Secret")) <= MAX_SECRETS
        keys = (*each.of_type("AWS::KMS::Key"), *with_email.of_type("AWS::KMS::Key"))
        assert len(keys) <= MAX_KEYS


def test_alarms_are_sent_only_where_the_stage_names_a_receiver(sync: Template) -> None:
    assert not any(each.get("AlarmActions") for each in alarms(sync))
    assert not sync.of_type("AWS::SNS::Topic")


def test_an_address_receives_alarms_by_a_topic_of_cloudwatch(with_email: Template) -> None:
    ((topic, resource),) = with_email.of_type("AWS::SNS::Topic").items()
    ((key, _),) = with_email.of_type("AWS::KMS::Key").items()
    policy = with_email.only_one("AWS::SNS::TopicPolicy")["PolicyDocument"]

    for alarm in alarms(with_email):
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]
    assert resource["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    allowed = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    assert [each["Principal"] for each in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert with_email.only_one("AWS::SNS::Subscription")["Protocol"] == "email"
    # With the key that AWS manages for SNS, alarms are raised and never arrive.
    granted = [
        each["Action"]
        for each in with_email.only_one("AWS::KMS::Key")["KeyPolicy"]["Statement"]
        if each["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert granted == [["kms:Decrypt", "kms:GenerateDataKey*"]]


def test_a_topic_that_exists_is_used_as_it_is(with_topic: Template) -> None:
    assert {str(each["AlarmActions"]) for each in alarms(with_topic)} == {str([TOPIC])}
    assert not with_topic.of_type("AWS::SNS::Topic")


def test_the_log_level_of_the_stage_is_the_functions(sync: Template, with_email: Template) -> None:
    for template, level in ((sync, "INFO"), (with_email, "DEBUG")):
        for _, properties in template.functions():
            assert properties["LoggingConfig"]["ApplicationLogLevel"] == level


def test_another_settings_version_starts_every_function_anew(
    sync: Template, with_email: Template, with_topic: Template
) -> None:
    all_versions = [each.of_type("AWS::Lambda::Version") for each in (with_email, with_topic, sync)]
    first, second, third = map(set, all_versions)

    assert len(first) == len(second) == len(third)
    assert not first & second


def test_the_dashboard_shows_every_metric_and_every_function(sync: Template) -> None:
    body = json.dumps(sync.only_one("AWS::CloudWatch::Dashboard")["DashboardBody"])

    for each in METRICS:
        assert each.name in body, each
    for failure in ERROR_DIMENSION_VALUES:
        assert failure in body, failure
    for spec, _ in sync.functions():
        assert spec.name in body, spec
    assert "ConsumedCapacity" in body
