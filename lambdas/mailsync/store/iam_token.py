"""Create IAM tokens, which serve as database passwords for RDS and RDS Proxy."""

from functools import cache
from typing import Any

from mailsync.errors import SettingMissing


def iam_token(host: str, port: int, user: str) -> str:
    """Return an IAM token that serves as the database password for connections opened within 15
    minutes. The token is signed locally, without a request to AWS.

    Raises:
        SettingMissing: AWS credentials or a region are missing.
    """
    from botocore.exceptions import BotoCoreError

    try:
        token = _rds().generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    except BotoCoreError as error:
        raise SettingMissing(
            f"No IAM token for the database can be signed ({type(error).__name__}); DATABASE_AUTH"
            " is 'iam', which needs AWS credentials and a region."
        ) from None
    return str(token)


@cache
def _rds() -> Any:
    import boto3

    # Threads that look at mailboxes connect at once, and boto3's shared session is not theirs.
    return boto3.session.Session().client("rds")
