"""Create IAM tokens, which serve as database passwords for RDS and RDS Proxy.

Source: Amazon RDS User Guide, "Connecting to your DB instance using IAM authentication": a token is
    a signed URL of the action `connect`, without its scheme, which is valid for 15 minutes.
"""

from datetime import UTC, datetime

from mailsync.aws.environment import find_aws_credentials, find_aws_region
from mailsync.aws.errors import AwsUnavailable
from mailsync.aws.signature import CredentialScope, presign_get_url_without_scheme
from mailsync.errors import SettingMissing

TOKEN_LIFETIME_S = 900


def iam_token(host: str, port: int, user: str) -> str:
    """Return an IAM token that serves as the database password for connections opened within 15
    minutes. The token is signed locally, without a request to AWS.

    Raises:
        SettingMissing: AWS credentials or a region are missing.
    """
    try:
        scope = CredentialScope(find_aws_region(), "rds-db")
        credentials = find_aws_credentials()
    except AwsUnavailable as error:
        raise SettingMissing(
            f"No IAM token for the database can be signed ({error.code}); DATABASE_AUTH is 'iam',"
            " which needs AWS credentials and a region."
        ) from None
    action = {"Action": "connect", "DBUser": user}
    now = datetime.now(UTC)
    return presign_get_url_without_scheme(
        credentials, scope, f"{host}:{port}", action, expires_s=TOKEN_LIFETIME_S, now=now
    )
