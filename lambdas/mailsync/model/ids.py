"""Ids, and what is opaque to all but the provider that gave it."""

from typing import NewType

AccountId = NewType("AccountId", str)
"""A uuid, as text."""
RunId = NewType("RunId", str)
"""The name of the execution, 1-80 characters."""
FolderId = NewType("FolderId", int)
"""Our own number of a folder."""
RemoteId = NewType("RemoteId", str)
"""An id given by the provider; case-sensitive, at most `MAX_REMOTE_ID_BYTES` in UTF-8."""
MAX_REMOTE_ID_BYTES = 1000
"""Ids are keys of the store, and Postgres refuses keys of more than 2,704 bytes. Graph's have
about 150; Microsoft says to reserve 512 ("EWS identifiers in Exchange")."""
MAX_USER_ID_CHARS = 255
"""Of a user of the application: the limit of OpenID Connect Core 1.0, section 2, for `sub`."""
Cursor = NewType("Cursor", str)


def is_storable_name(user_id: str) -> bool:
    """Whether a row can name this user: printable, so without NUL and halves of surrogate pairs."""
    return 0 < len(user_id) <= MAX_USER_ID_CHARS and user_id.isprintable()
