from infra import catalog
from mailsync.decisions.due import CLAIMED_FOR_S
from tests.deploy.template import Resource, Template


def test_an_execution_that_ends_badly_closes_its_run(sync: Template) -> None:
    rule = rule_to(sync, catalog.RUN_CLOSER_FUNCTION)

    pattern = rule["Properties"]["EventPattern"]
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert pattern["detail"]["status"] == list(catalog.UNFINISHED_STATUSES)
    assert "MailboxSync" in str(pattern["detail"]["stateMachineArn"])


def test_an_execution_that_closed_its_run_has_its_event_published_at_once(sync: Template) -> None:
    pattern = rule_to(sync, catalog.PUBLISHER_FUNCTION)["Properties"]["EventPattern"]

    assert pattern["source"] == ["aws.states"]
    assert pattern["detail"]["status"] == list(catalog.SELF_CLOSED_STATUSES)


def test_rules_stand_on_the_stage_s_own_bus_and_answer_any_source(sync: Template) -> None:
    (bus,) = sync.of_type("AWS::Events::EventBus")
    for each in catalog.EVENT_RULES:
        properties = rule_to(sync, each.function)["Properties"]

        assert properties["EventBusName"] == {"Ref": bus}
        assert properties["EventPattern"] == {"detail-type": list(each.detail_types)}
        assert properties["State"] == "ENABLED"


def test_only_the_own_account_may_put_events_on_the_bus(sync: Template) -> None:
    statement = sync.only("AWS::Events::EventBusPolicy")["Properties"]["Statement"]

    assert statement["Effect"] == "Allow"
    assert statement["Action"] == "events:PutEvents"
    _, root = statement["Principal"]["AWS"]["Fn::Join"]
    assert root == ["arn:", {"Ref": "AWS::Partition"}, ":iam::", {"Ref": "AWS::AccountId"}, ":root"]


def test_an_event_is_tried_thrice_and_one_that_is_lost_is_kept(sync: Template) -> None:
    (queue,) = (key for key in sync.of_type("AWS::SQS::Queue") if "LostEvents" in key)
    kept = {"Fn::GetAtt": [queue, "Arn"]}
    answering = asynchronous(sync, "receive-event")
    (target,) = rule_to(sync, "receive-event")["Properties"]["Targets"]

    assert answering["MaximumRetryAttempts"] == 2
    assert answering["MaximumEventAgeInSeconds"] <= 3600
    assert answering["DestinationConfig"]["OnFailure"]["Destination"] == kept
    assert target["DeadLetterConfig"]["Arn"] == kept
    assert set(sync.may("sqs:SendMessage")) == {"receive-event", catalog.BATCH_FUNCTION}


def test_a_batch_is_tried_thrice_while_its_claim_lasts_and_one_that_is_lost_is_kept(
    sync: Template,
) -> None:
    (queue,) = (key for key in sync.of_type("AWS::SQS::Queue") if "LostBatches" in key)
    woken = asynchronous(sync, catalog.BATCH_FUNCTION)

    assert woken["MaximumRetryAttempts"] == 2
    assert woken["MaximumEventAgeInSeconds"] == CLAIMED_FOR_S
    assert woken["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": [queue, "Arn"]}


def asynchronous(sync: Template, function: str) -> Resource:
    """How a function is called by those who do not wait for it."""
    alias = sync.resources[sync.alias(catalog.find_function(function))]["Properties"]
    settings = [
        each["Properties"]
        for each in sync.of_type("AWS::Lambda::EventInvokeConfig").values()
        if each["Properties"]["FunctionName"] == alias["FunctionName"]
    ]
    found: Resource
    (found,) = settings
    return found


def rule_to(sync: Template, function: str) -> Resource:
    """The rule whose target is that function's alias."""
    alias = {"Ref": sync.alias(catalog.find_function(function))}
    (rule,) = (
        each
        for each in sync.of_type("AWS::Events::Rule").values()
        if [target["Arn"] for target in each["Properties"]["Targets"]] == [alias]
    )
    return rule
