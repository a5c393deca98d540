"""The AWS endpoint serves signed requests for the actions of the stack, and nothing else."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import make_aws_client, reset_moto_state
from localdev.engine.lambda_host import InvocationResult
from tests.support.aws_signature import signed_headers

LIST = {
    "X-Amz-Target": "AWSStepFunctions.ListStateMachines",
    "Content-Type": "application/x-amz-json-1.0",
}
BATCH = "arn:aws:states:::aws-sdk:batch:registerJobDefinition"
GATEWAY = "arn:aws:states:::apigateway:invoke"
ROLE = "arn:aws:iam::123456789012:role/any"


class NoFunctions:
    def invoke(self, function: str, payload: bytes, /) -> InvocationResult:
        return InvocationResult(200, payload)

    invoke_asynchronously = invoke


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    endpoint = AwsEndpoint(NoFunctions(), port=0)
    reset_moto_state()
    yield endpoint.url
    endpoint.stop()


def post(url: str, body: bytes = b"{}", **signature: Any) -> httpx.Response:
    headers = signed_headers("POST", f"{url}/", body, service="states", headers=LIST, **signature)
    return httpx.post(f"{url}/", content=body, headers=headers)


def test_a_signed_request_is_answered_without_cors(url: str) -> None:
    response = post(url)

    assert (response.status_code, response.json()) == (200, {"stateMachines": []})
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "signature", [{"key": "local"}, {"secret": "local"}, {"key": "", "secret": ""}]
)
def test_other_credentials_are_refused(url: str, signature: dict[str, Any]) -> None:
    response = post(url, **signature)

    assert (response.status_code, response.headers["x-amzn-errortype"]) == (
        403,
        "AccessDeniedException",
    )
    assert "make dev" in response.json()["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", None),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/states/aws4"),
        ("X-Amz-Target", "AWSStepFunctions.DeleteStateMachine"),
        ("X-Amz-Date", "20200101T000000Z"),
        ("X-Amz-Date", "yesterday"),
        ("Origin", "http://localhost:3000"),
        ("Sec-Fetch-Site", "none"),
        ("Host", "evil.example"),
    ],
)
def test_a_signature_is_of_this_very_request(url: str, name: str, value: str | None) -> None:
    headers = signed_headers("POST", f"{url}/", b"{}", service="states", headers=LIST)
    changed = {**headers, name: value} if value else {**headers}
    if value is None:
        del changed[name]

    assert httpx.post(f"{url}/", content=b"{}", headers=headers).status_code == 200
    assert httpx.post(f"{url}/", content=b"{}", headers=changed).status_code == 403
    assert httpx.post(f"{url}/", content=b'{"maxResults": 1}', headers=headers).status_code == 403


def test_an_old_signature_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = signed_headers("POST", f"{url}/", b"{}", service="states", headers=LIST)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 16 * 60)

    assert httpx.post(f"{url}/", content=b"{}", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("batch", lambda client: client.describe_job_queues()),
        ("lambda", lambda client: client.invoke_async(FunctionName="f", InvokeArgs=b"{}")),
        ("s3", lambda client: client.list_buckets()),
        ("stepfunctions", lambda client: client.delete_state_machine(stateMachineArn="any" * 9)),
        ("events", lambda client: client.list_api_destinations()),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_the_stack_does_not_use_is_refused_to_its_own_user_as_well(
    url: str, service: str, call: Any
) -> None:
    # botocore expects XML of some of them, and quotes what it cannot read.
    with pytest.raises((ClientError, ResponseParserError), match=r"does not offer|Forbidden"):
        call(make_aws_client(service, url))


def test_moto_s_own_pages_are_closed(url: str) -> None:
    for path in ("/moto-api/", "/moto-api/data.json", "/moto-api/reset"):
        headers = signed_headers("POST", f"{url}{path}", service="states")
        assert httpx.post(f"{url}{path}", headers=headers).status_code == 403


@pytest.mark.parametrize("resource", [BATCH, GATEWAY])
def test_no_workflow_reaches_another_service_or_the_network(url: str, resource: str) -> None:
    parameters = {
        BATCH: {"JobDefinitionName": "owned", "Type": "container"},
        GATEWAY: {"ApiEndpoint": "127.0.0.1:1", "Method": "GET"},
    }
    task = {"Type": "Task", "Resource": resource, "Parameters": parameters[resource], "End": True}
    client = make_aws_client("stepfunctions", url)
    with pytest.raises(ClientError, match="Lambda only"):
        client.create_state_machine(
            name="owned",
            definition=json.dumps({"StartAt": "own", "States": {"own": task}}),
            roleArn=ROLE,
        )
