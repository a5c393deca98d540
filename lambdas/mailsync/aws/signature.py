"""Sign requests to AWS with Signature Version 4. Pure.

Source: AWS IAM User Guide, "Create a signed AWS API request". The tests compare the signatures with
botocore's.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """The AWS credentials of a role or a user.

    session_token: the third part of a role's temporary credentials. None: credentials of a user.
    """

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """What a signature is valid for: a service in a region."""

    region: str
    service: str

    def format_scope_for_day(self, now: datetime) -> str:
        """Return the credential scope of Signature Version 4 for the day of `now`:
        `<date>/<region>/<service>/aws4_request`."""
        return f"{now:%Y%m%d}/{self.region}/{self.service}/aws4_request"


def sign_post_request(
    credentials: AwsCredentials,
    scope: CredentialScope,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> dict[str, str]:
    """Sign the request `POST /` with these headers and this body; return all headers of the signed
    request.

    headers: headers to sign, with lower-case names; `host` is among them.
    now: the current time in UTC; AWS accepts a signature for five minutes.
    """
    signed = {**headers, "x-amz-date": _timestamp(now)}
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(signed))
    lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
    digest = hashlib.sha256(body).hexdigest()
    request = "\n".join(["POST", "/", "", *lines, "", names, digest])
    signature = _signature(credentials, scope, request, now)
    who = f"Credential={credentials.access_key}/{scope.format_scope_for_day(now)}"
    return {
        **signed,
        "authorization": f"{_ALGORITHM} {who}, SignedHeaders={names}, Signature={signature}",
    }


def presign_get_url_without_scheme(
    credentials: AwsCredentials,
    scope: CredentialScope,
    host: str,
    parameters: Mapping[str, str],
    *,
    expires_s: int,
    now: datetime,
) -> str:
    """Sign the request `GET /` with these query parameters; return the URL with the signature in
    its query. The URL has no scheme: `host/?...`.

    host: host name with its port, as in the header Host.
    expires_s: number of seconds for which AWS accepts the signature.
    now: the present time in UTC.
    """
    query = {
        **parameters,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope.format_scope_for_day(now)}",
        "X-Amz-Date": _timestamp(now),
        "X-Amz-Expires": str(expires_s),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token:
        query["X-Amz-Security-Token"] = credentials.session_token
    text = "&".join(f"{_quote(name)}={_quote(query[name])}" for name in sorted(query))
    digest = hashlib.sha256(b"").hexdigest()
    request = "\n".join(["GET", "/", text, f"host:{host}", "", "host", digest])
    return f"{host}/?{text}&X-Amz-Signature={_signature(credentials, scope, request, now)}"


def _signature(
    credentials: AwsCredentials, scope: CredentialScope, request: str, now: datetime
) -> str:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.format_scope_for_day(now).split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join([_ALGORITHM, _timestamp(now), scope.format_scope_for_day(now), digest])
    return hmac.digest(key, text.encode(), "sha256").hex()


def _timestamp(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}"


def _quote(text: str) -> str:
    return quote(text, safe="-_.~")
