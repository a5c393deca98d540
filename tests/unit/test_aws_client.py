"""Calls of AWS without botocore: they are botocore's, byte for byte, and outlast what passes."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session

from localdev.http_server import Request, Response, Server
from mailsync.aws.client import (
    KMS_SERVICE,
    SECRETS_MANAGER_SERVICE,
    STEP_FUNCTIONS_SERVICE,
    AwsClient,
    AwsService,
)
from mailsync.aws.environment import choose_aws_endpoint_url
from mailsync.aws.errors import AwsError, AwsRejected, AwsUnavailable
from mailsync.aws.signature import (
    AwsCredentials,
    CredentialScope,
    presign_get_url_without_scheme,
    sign_post_request,
)
from mailsync.store import iam_token

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
SERVICES = (SECRETS_MANAGER_SERVICE, KMS_SERVICE, STEP_FUNCTIONS_SERVICE)
REGIONS = ("eu-west-1", "us-gov-west-1", "cn-north-1")
TOKENS = pytest.mark.parametrize("token", [None, "FwoG/+=="])
WELL = Response(200, b'{"SecretString": "{}"}')
THROTTLED = Response(400, b'{"__type": "com.amazonaws.x#ThrottlingException"}')
UNKNOWN = Response(400, b'{"Message": "s3cr3t"}', {"x-amzn-errortype": "NotFoundException:http://"})
DROPPED = Response(200, close_after_body_bytes=-1)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s/k", "AWS_REGION": "eu-west-1"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOON)
    monkeypatch.setattr(time, "sleep", lambda _: None)


@TOKENS
def test_a_request_is_signed_as_botocore_signs_it(token: str | None) -> None:
    headers = {"host": "kms.eu-west-1.amazonaws.com", "x-amz-target": "TrentService.Decrypt"}
    body, scope = b'{"KeyId": "\xc3\xa4"}', CredentialScope("eu-west-1", "kms")
    request = AWSRequest("POST", f"https://{headers['host']}/", dict(headers), body)
    botocore.auth.SigV4Auth(Credentials("AKIA", "s/k", token), "kms", "eu-west-1").add_auth(request)

    signed = sign_post_request(AwsCredentials("AKIA", "s/k", token), scope, headers, body, NOON)

    assert signed == {name.lower(): value for name, value in request.headers.items()}


@TOKENS
def test_a_database_token_is_the_one_that_botocore_makes(token: str | None) -> None:
    session = Session()
    session.set_credentials("AKIA", "s/k", token)
    rds = session.create_client("rds", "eu-west-1")
    host, user = "proxy.example.com", "mail sync+/~"
    scope, action = CredentialScope("eu-west-1", "rds-db"), {"Action": "connect", "DBUser": user}

    made = presign_get_url_without_scheme(
        *(AwsCredentials("AKIA", "s/k", token), scope, f"{host}:5432", action),
        expires_s=iam_token.TOKEN_LIFETIME_S,
        now=NOON,
    )

    expected = rds.generate_db_auth_token(DBHostname=host, Port=5432, DBUsername=user)
    assert sorted(made.split("&")) == sorted(expected.split("&"))  # botocore sorts when it signs


@pytest.mark.parametrize(("service", "region"), list(product(SERVICES, REGIONS)))
def test_an_endpoint_is_the_one_of_botocore(
    service: AwsService, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    name = {"states": "stepfunctions"}.get(
        service.name_in_endpoint_and_signature, service.name_in_endpoint_and_signature
    )

    client = Session().create_client(name, region)

    assert client.meta.endpoint_url == choose_aws_endpoint_url(
        service.name_in_endpoint_and_signature
    )
    assert client.meta.service_model.signing_name == service.name_in_endpoint_and_signature
    assert client.meta.service_model.metadata["targetPrefix"] == service.x_amz_target_prefix
    assert client.meta.service_model.metadata["jsonVersion"] == service.json_protocol_version


class Scripted:
    """A server with one response per request, the last one for all further requests."""

    def __init__(self, *responses: Response) -> None:
        self._responses = list(responses)
        self.requests: list[Request] = []
        self._server = Server(self._respond, port=0).start()
        self.client = AwsClient(SECRETS_MANAGER_SERVICE, f"http://127.0.0.1:{self._server.port}")
        self.stop = self._server.stop

    def _respond(self, request: Request) -> Response:
        self.requests.append(request)
        return self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[Scripted]:
    server = Scripted(*request.param)
    yield server
    server.stop()


def scripted(*cases: tuple[tuple[Response, ...], Any, int]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("aws", "expected", "requests"), cases, indirect=["aws"])


@scripted(
    ((WELL,), None, 1),
    ((THROTTLED, Response(503), DROPPED, WELL), None, 4),
    ((UNKNOWN,), (AwsRejected, "NotFoundException"), 1),
    ((Response(403, b"<html>"),), (AwsRejected, "HTTP403"), 1),
    ((Response(500),), (AwsRejected, "HTTP500"), 4),
    ((THROTTLED,), (AwsRejected, "ThrottlingException"), 4),
    ((DROPPED,), (AwsUnavailable, "RemoteDisconnected"), 4),
)
def test_what_may_pass_is_tried_again(
    aws: Scripted, expected: tuple[type, str] | None, requests: int
) -> None:
    if expected is None:
        assert aws.client.call_operation("GetSecretValue", SecretId="arn") == {"SecretString": "{}"}
    else:
        with pytest.raises(AwsError) as raised:
            aws.client.call_operation("GetSecretValue", SecretId="arn")
        assert (type(raised.value), raised.value.code) == expected
        assert "s3cr3t" not in str(raised.value)
    assert len(aws.requests) == requests


@pytest.mark.parametrize("aws", [(WELL, DROPPED, WELL)], indirect=True)
def test_a_connection_that_aws_closed_meanwhile_costs_no_attempt(aws: Scripted) -> None:
    """A process that was frozen between two invocations finds its connection closed."""
    aws.client.max_attempts = 1

    for _ in range(2):
        aws.client.call_operation("GetSecretValue", SecretId="arn")

    assert len(aws.requests) == 3


@pytest.mark.parametrize("aws", [(WELL,)], indirect=True)
def test_nothing_is_sent_without_credentials(
    aws: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")

    with pytest.raises(AwsUnavailable, match="no AWS credentials"):
        aws.client.call_operation("GetSecretValue", SecretId="arn")

    assert aws.requests == []


@pytest.mark.parametrize("aws", [(WELL,)], indirect=True)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(aws: Scripted, status: int) -> None:
    location = {"Location": f"{aws.client.endpoint_url}/"}
    other = Scripted(Response(status, headers=location))

    with pytest.raises(AwsRejected) as raised:
        other.client.call_operation("GetSecretValue", SecretId="arn")
    other.stop()

    assert raised.value.code == f"HTTP{status}"
    assert aws.requests == []


def test_nothing_leaves_this_machine_in_plain_http() -> None:
    client = AwsClient(SECRETS_MANAGER_SERVICE, "http://aws.example.org")

    with pytest.raises(AwsUnavailable, match="https://"):
        client.call_operation("GetSecretValue", SecretId="arn")
