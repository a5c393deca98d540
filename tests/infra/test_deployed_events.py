from infra import catalog
from tests.infra.template import Template


def test_an_execution_that_ends_badly_closes_its_run(sync: Template) -> None:
    rule = sync.only("AWS::Events::Rule")

    pattern = rule["Properties"]["EventPattern"]
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert pattern["detail"]["status"] == list(catalog.UNFINISHED)
    assert "MailboxSync" in str(pattern["detail"]["stateMachineArn"])
    assert "CloseRun" in str(rule["Properties"]["Targets"])
