"""Events in both directions, through the local endpoint as any program of the user reaches it."""

import json
from typing import Any

import httpx

from localdev.engine.aws_resources import EVENT_BUS_NAME, make_aws_client
from tests.local.mirror import Mirror, when
from tests.support.aws_signature import signed_headers


def put(mirror: Mirror, kind: str, detail: dict[str, Any]) -> str:
    """The id of the event that the bus took."""
    entry = {"Source": "my.app", "DetailType": kind, "Detail": json.dumps(detail)}
    client = make_aws_client("events", mirror.stack.aws_url)
    response = client.put_events(Entries=[{"EventBusName": EVENT_BUS_NAME, **entry}])
    return str(response["Entries"][0]["EventId"])


def outcome(mirror: Mirror, event_id: str) -> dict[str, str]:
    """Return the outcome of an event, as the local endpoint lists it."""

    def ended() -> dict[str, str] | None:
        url = f"{mirror.stack.aws_url}/_local/events"
        seen = httpx.get(url, headers=signed_headers("GET", url, service="events")).json()
        (event,) = (each for each in seen if each["id"] == event_id)
        outcome: dict[str, str] | None = event["outcome"]
        return outcome

    return when(ended)


def test_an_event_starts_the_sync_of_its_account(mirror: Mirror) -> None:
    mirror.finished()

    started = outcome(mirror, put(mirror, "email/microsoft.sync", {"accountId": mirror.account.id}))

    mirror.finished()
    found = mirror.rows(
        f"SELECT status, trigger, sync_type FROM mailsync.sync_runs WHERE id = '{started['runId']}'"
    )
    assert found == [["completed", "event", "manual"]]


def test_the_end_of_a_sync_reaches_a_queue_that_listens(mirror: Mirror) -> None:
    queue = listen(mirror, "sync.completed")
    run = mirror.synced()

    mirror.invoke("publish-events")

    heard = [json.loads(each["Body"]) for each in receive(mirror, queue)]
    (event,) = (each for each in heard if each["detail"]["runId"] == run["id"])
    assert (event["source"], event["detail-type"]) == ("mailsync", "sync.completed")
    assert event["detail"]["accountId"] == mirror.account.id
    assert event["detail"]["eventId"] in {
        each["detail"].get("eventId")
        for each in mirror.stack.simulated_event_bus.list_recent_local_bus_events()
    }


def listen(mirror: Mirror, kind: str) -> str:
    """The URL of a queue to which a rule made by plain boto3 sends these events."""
    sqs, events = (make_aws_client(each, mirror.stack.aws_url) for each in ("sqs", "events"))
    url = str(sqs.create_queue(QueueName="listener")["QueueUrl"])
    wanted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    pattern = json.dumps({"detail-type": [kind]})
    events.put_rule(Name="listener", EventBusName=EVENT_BUS_NAME, EventPattern=pattern)
    target = {"Id": "queue", "Arn": wanted["Attributes"]["QueueArn"]}
    events.put_targets(Rule="listener", EventBusName=EVENT_BUS_NAME, Targets=[target])
    return url


def receive(mirror: Mirror, url: str) -> list[dict[str, Any]]:
    """All that stands in the queue."""
    sqs = make_aws_client("sqs", mirror.stack.aws_url)
    found: list[dict[str, Any]] = []
    while more := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += more
    return found
