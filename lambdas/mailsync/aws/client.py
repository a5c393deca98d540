"""Call operations of AWS services that speak JSON over `POST /`.

Source: Smithy specification, "AWS JSON 1.0 protocol" and "AWS JSON 1.1 protocol".
"""

import json
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from random import random
from typing import Any
from urllib.parse import urlsplit

from mailsync.aws.environment import (
    choose_aws_endpoint_url,
    find_aws_ca_bundle_path,
    find_aws_credentials,
    find_aws_region,
)
from mailsync.aws.errors import AwsError, AwsRejected, AwsUnavailable
from mailsync.aws.signature import CredentialScope, sign_post_request

_THROTTLING_CODES = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
)
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class AwsService:
    """A service of AWS.

    name_in_endpoint_and_signature: the service's name in endpoints and signatures.
    x_amz_target_prefix: the text before the name of the operation in the header X-Amz-Target.
    json_protocol_version: version of the AWS JSON protocol that the service speaks.
    """

    name_in_endpoint_and_signature: str
    x_amz_target_prefix: str
    json_protocol_version: str = "1.1"


SECRETS_MANAGER_SERVICE = AwsService("secretsmanager", "secretsmanager")
KMS_SERVICE = AwsService("kms", "TrentService")
STEP_FUNCTIONS_SERVICE = AwsService("states", "AWSStepFunctions", "1.0")


@dataclass(frozen=True, slots=True)
class _HttpResponse:
    status: int
    error_type: str
    body: bytes


@dataclass(slots=True)
class AwsClient:
    """A client of one AWS service. Several threads may use the same client. Region, endpoint and
    credentials come from the environment. The client follows no redirect and uses no proxy.

    endpoint_url: URL of the service. None: the URL that the environment names.
    timeout_s: time-out in seconds for connecting, and for each wait for bytes of a response.
    max_attempts: maximum number of attempts of one call. The client repeats a call that AWS does
        not answer, throttles, or answers with a 5xx status. So only idempotent operations may be
        called.
    """

    service: AwsService
    endpoint_url: str | None = None
    timeout_s: float = 5.0
    max_attempts: int = 4
    _idle: list[HTTPConnection] = field(default_factory=list, init=False, repr=False)

    def call_operation(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation with these parameters and return the result, a JSON object.

        Raises:
            AwsRejected, AwsUnavailable
        """
        body = json.dumps(parameters).encode()
        failure: AwsError | None = None
        for attempt in range(self.max_attempts):
            if attempt:
                time.sleep(random() * 2 ** (attempt - 1))  # noqa: S311 - jitter
            try:
                response = self._exchange(operation, body)
            except (OSError, HTTPException) as error:
                name = type(error).__name__
                failure = AwsUnavailable(
                    name, f"{self.service.name_in_endpoint_and_signature} does not answer ({name})"
                )
                continue
            if response.status == 200:
                result: dict[str, Any] = json.loads(response.body)
                return result
            failure = _rejection(operation, response)
            if response.status < 500 and failure.code not in _THROTTLING_CODES:
                break
        assert failure is not None
        raise failure

    def _exchange(self, operation: str, body: bytes) -> _HttpResponse:
        """Send a request and return the response. Use an idle connection if there is one that still
        works."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        else:
            try:
                return self._send(connection, operation, body)
            except (OSError, HTTPException):
                # AWS closed the connection, perhaps while Lambda had frozen the process.
                connection = self._connect()
        return self._send(connection, operation, body)

    def _send(self, connection: HTTPConnection, operation: str, body: bytes) -> _HttpResponse:
        service = self.service
        headers = {
            "host": _host_header(connection),
            "content-type": f"application/x-amz-json-{service.json_protocol_version}",
            "x-amz-target": f"{service.x_amz_target_prefix}.{operation}",
        }
        scope = CredentialScope(find_aws_region(), service.name_in_endpoint_and_signature)
        signed = sign_post_request(find_aws_credentials(), scope, headers, body, datetime.now(UTC))
        try:
            connection.request("POST", "/", body, signed)
            found = connection.getresponse()
            text = found.read()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # None: AWS asked to close it
            self._idle.append(connection)
        return _HttpResponse(found.status, found.headers.get("x-amzn-errortype", ""), text)

    def _connect(self) -> HTTPConnection:
        url = urlsplit(
            self.endpoint_url
            or choose_aws_endpoint_url(self.service.name_in_endpoint_and_signature)
        )
        host = url.hostname or ""
        if url.scheme == "http" and host in _LOOPBACK_HOSTS:  # the local stack and tests
            return HTTPConnection(host, url.port, timeout=self.timeout_s)
        if url.scheme != "https":
            raise AwsUnavailable("PlainEndpoint", "AWS_ENDPOINT_URL must be an https:// URL")
        context = _tls_context(find_aws_ca_bundle_path())
        return HTTPSConnection(host, url.port, timeout=self.timeout_s, context=context)


@cache
def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return the TLS context. All clients share it, because reading the certificate authorities
    takes longer than a request."""
    return ssl.create_default_context(cafile=ca_bundle)


def _host_header(connection: HTTPConnection) -> str:
    is_default = connection.port == connection.default_port
    return connection.host if is_default else f"{connection.host}:{connection.port}"


def _rejection(operation: str, response: _HttpResponse) -> AwsRejected:
    """Return the exception for an error response. The exception does not contain the response's
    text, which may quote a parameter of the call.

    The header or `__type` names the error, as in `com.amazonaws.kms#NotFoundException:http://...`.
    """
    try:
        named = response.error_type or json.loads(response.body)["__type"]
    except (ValueError, KeyError, TypeError):
        named = f"HTTP{response.status}"
    code = str(named).partition(":")[0].rpartition("#")[2]
    return AwsRejected(code, f"{operation} was rejected ({code})")
