"""Find the region, the credentials and the endpoints of AWS in the environment variables that
Lambda sets, by the same rules as AWS's SDKs."""

import os
from typing import Any

from mailsync.aws.errors import AwsUnavailable
from mailsync.aws.signature import AwsCredentials


def find_aws_region() -> str:
    """Return the AWS region of this process, such as `eu-central-1`.

    Raises:
        AwsUnavailable: no region is set.
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    region = region or _session().get_config_variable("region")
    if not region:
        raise AwsUnavailable("NoRegion", "no region is set, such as AWS_REGION")
    return str(region)


def find_aws_credentials() -> AwsCredentials:
    """Return the credentials in the environment variables. Without these variables, return the
    credentials that botocore finds, such as those of a profile. The credentials of a Lambda
    function stay valid as long as the function's process lives.

    Raises:
        AwsUnavailable: there are no credentials.
    """
    setting = os.environ.get
    key, secret = setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        return AwsCredentials(key, secret, setting("AWS_SESSION_TOKEN"))
    found = _session().get_credentials()
    if found is None:
        raise AwsUnavailable("NoCredentials", "there are no AWS credentials")
    frozen = found.get_frozen_credentials()
    return AwsCredentials(frozen.access_key, frozen.secret_key, frozen.token)


def choose_aws_endpoint_url(service: str) -> str:
    """Return the URL of AWS_ENDPOINT_URL, which applies to every service. If this variable is not
    set, return the URL of the service in the region of this process."""
    if url := os.environ.get("AWS_ENDPOINT_URL"):
        return url
    region = find_aws_region()
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{region}.{suffix}"


def find_aws_ca_bundle_path() -> str | None:
    """Return the path of the PEM file with the certificate authorities for AWS's endpoints. Return
    None if AWS_CA_BUNDLE is not set; then the authorities of the system apply."""
    return os.environ.get("AWS_CA_BUNDLE") or None


def _session() -> Any:
    import botocore.session  # only on a developer's machine: it takes long to import

    return botocore.session.Session()
