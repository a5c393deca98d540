import pytest

from infra import catalog
from mailsync.decisions.due import DUE_MAILBOX_CLAIM_LIFETIME_S
from tests.deploy.template import Resource, Template


@pytest.mark.parametrize(
    ("function", "statuses"),
    [
        (catalog.RUN_CLOSER_FUNCTION_NAME, catalog.EXECUTION_STATUSES_INVOKING_RUN_CLOSER),
        (
            catalog.OUTBOX_PUBLISHER_FUNCTION_NAME,
            catalog.EXECUTION_STATUSES_INVOKING_OUTBOX_PUBLISHER,
        ),
    ],
)
def test_the_end_of_an_execution_closes_its_run_or_publishes_its_event(
    sync: Template, function: str, statuses: tuple[str, ...]
) -> None:
    pattern = rule_to(sync, function)["EventPattern"]

    assert pattern["source"] == ["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert pattern["detail"]["status"] == list(statuses)
    assert "MailboxSync" in str(pattern["detail"]["stateMachineArn"])


def test_rules_are_on_the_stages_own_bus_and_match_any_source(sync: Template) -> None:
    (bus,) = sync.of_type("AWS::Events::EventBus")
    for each in catalog.EVENT_RULES:
        properties = rule_to(sync, each.function_name)

        assert properties["EventBusName"] == {"Ref": bus}
        assert properties["EventPattern"] == {"detail-type": list(each.detail_types)}
        assert properties["State"] == "ENABLED"


def test_only_the_own_account_may_put_events_on_the_bus(sync: Template) -> None:
    statement = sync.only_one("AWS::Events::EventBusPolicy")["Statement"]

    assert statement["Effect"] == "Allow"
    assert statement["Action"] == "events:PutEvents"
    _, root = statement["Principal"]["AWS"]["Fn::Join"]
    assert root == ["arn:", {"Ref": "AWS::Partition"}, ":iam::", {"Ref": "AWS::AccountId"}, ":root"]


def test_an_event_is_tried_thrice_and_kept_if_lost(sync: Template) -> None:
    kept = {"Fn::GetAtt": [sync.key_of("AWS::SQS::Queue", "LostEvents"), "Arn"]}
    answering = sync.asynchronous("receive-event")
    (target,) = rule_to(sync, "receive-event")["Targets"]

    assert answering["MaximumRetryAttempts"] == 2
    assert answering["MaximumEventAgeInSeconds"] <= 3600
    assert answering["DestinationConfig"]["OnFailure"]["Destination"] == kept
    assert target["DeadLetterConfig"]["Arn"] == kept


def test_each_function_that_is_invoked_asynchronously_has_limits_and_keeps_what_is_lost(
    sync: Template,
) -> None:
    """Lambda's defaults: it keeps an event for six hours, then drops it without a trace."""
    invoked = {each.function_name for each in catalog.SCHEDULES}
    invoked |= {each.function_name for each in catalog.EVENT_RULES}
    invoked |= {catalog.RUN_CLOSER_FUNCTION_NAME, catalog.OUTBOX_PUBLISHER_FUNCTION_NAME}
    invoked.add(catalog.MAILBOX_CHECK_FUNCTION_NAME)

    assert set(sync.may("sqs:SendMessage")) == invoked
    for each in invoked:
        assert sync.asynchronous(each)["MaximumEventAgeInSeconds"] <= 3600
    for rule in sync.all_of("AWS::Events::Rule"):
        (target,) = rule["Targets"]
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 3600
        assert "Arn" in target["DeadLetterConfig"]


def test_a_batch_is_tried_thrice_within_its_claim_and_kept_if_lost(sync: Template) -> None:
    kept = {"Fn::GetAtt": [sync.key_of("AWS::SQS::Queue", "LostBatches"), "Arn"]}
    invoked = sync.asynchronous(catalog.MAILBOX_CHECK_FUNCTION_NAME)

    assert invoked["MaximumRetryAttempts"] == 2
    assert invoked["MaximumEventAgeInSeconds"] == DUE_MAILBOX_CLAIM_LIFETIME_S
    assert invoked["DestinationConfig"]["OnFailure"]["Destination"] == kept


def rule_to(sync: Template, function: str) -> Resource:
    """The rule whose target is that function's alias."""
    alias = {"Ref": sync.alias(catalog.find_function(function))}
    rules = sync.all_of("AWS::Events::Rule")
    (rule,) = (each for each in rules if [to["Arn"] for to in each["Targets"]] == [alias])
    return rule
