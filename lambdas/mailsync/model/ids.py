"""Types of ids and cursors. Only the module of a provider interprets that provider's ids and
cursors."""

from typing import NewType

AccountId = NewType("AccountId", str)
"""A uuid, as text."""
RunId = NewType("RunId", str)
"""The name of the execution, 1-80 characters."""
FolderId = NewType("FolderId", int)
"""Our number of a folder."""
FeedId = NewType("FeedId", int)
"""Our number of a change feed."""
RemoteId = NewType("RemoteId", str)
"""The provider's id; case-sensitive, at most `MAX_REMOTE_ID_BYTES` bytes of UTF-8."""
MAX_REMOTE_ID_BYTES = 1000
"""Ids are index keys, and Postgres rejects index keys of more than 2,704 bytes. The
longest ids known have 512 ("EWS identifiers in Exchange")."""
MAX_USER_ID_CHARS = 255
"""The longest user id of the application: the limit of OpenID Connect Core 1.0, section 2, for
`sub`."""
Cursor = NewType("Cursor", str)


def is_storable_user_id(user_id: str) -> bool:
    """Return whether Postgres can store the user id: printable characters, at most
    `MAX_USER_ID_CHARS`."""
    return 0 < len(user_id) <= MAX_USER_ID_CHARS and user_id.isprintable()
