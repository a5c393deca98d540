"""Requests of the AWS API without boto3, signed with whatever credentials a test has."""

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localdev.engine.aws_resources import LOCAL_CREDENTIALS
from localdev.engine.names import AWS_REGION


def signed_headers(
    method: str,
    url: str,
    body: bytes = b"",
    *,
    service: str,
    headers: dict[str, str] | None = None,
    key: str = LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"],
    secret: str = LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
) -> dict[str, str]:
    """The headers with a signature; by default with the credentials of this process."""
    request = AWSRequest(method, url, dict(headers or {}), body)
    SigV4Auth(Credentials(key, secret), service, AWS_REGION).add_auth(request)
    return dict(request.headers.items())
