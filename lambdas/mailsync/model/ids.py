"""Define the types of ids and cursors. Ids and cursors that a provider issued are interpreted only
by that provider's module."""

from typing import NewType

AccountId = NewType("AccountId", str)
"""The id of an account: a UUID as text."""
RunId = NewType("RunId", str)
"""The id of a run, 1-80 characters. It is also the name of the run's first Step Functions
execution."""
FolderId = NewType("FolderId", int)
"""The id of a folder in Mailsync's database, not the provider's id."""
FeedId = NewType("FeedId", int)
"""The id of a change feed in Mailsync's database."""
RemoteId = NewType("RemoteId", str)
"""The provider's id of a message, folder or subscription; case-sensitive, at most
`MAX_REMOTE_ID_BYTES` bytes of UTF-8."""
MAX_REMOTE_ID_BYTES = 1000
"""The maximum length of a provider's id in bytes of UTF-8. Ids are index keys, and Postgres rejects
index keys of more than 2,704 bytes. The longest known ids have 512 bytes ("EWS identifiers in
Exchange")."""
MAX_USER_ID_CHARS = 255
"""The maximum length of a user id of the application, in characters. It is the limit of OpenID
Connect Core 1.0, section 2, for the claim `sub`."""
Cursor = NewType("Cursor", str)
"""A position in a change feed, as text that only the provider's module interprets."""


def is_storable_user_id(user_id: str) -> bool:
    """Return whether Postgres can store the user id: printable characters, at most
    `MAX_USER_ID_CHARS`."""
    return 0 < len(user_id) <= MAX_USER_ID_CHARS and user_id.isprintable()
