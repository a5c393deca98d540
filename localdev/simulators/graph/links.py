"""Make and verify delta links. The token in a link is a sealed cursor, and only the newest few
links of a chain are valid.

A chain is the series of delta links that one request without a token started. The token contains
the whole cursor; the database stores only the newest generation of each chain. So a repeated
request for a link gets the same generation and uses up none. Older generations get a 410 response
with the message that Microsoft's service was seen to send.
Source: Microsoft Graph docs, delta-query-overview.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from secrets import token_bytes, token_hex

import orjson

from localdev.simulators.behaviour import Behaviour
from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.graph.errors import GraphError, bad_request_error

_SEAL_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaCursor:
    """The position of a chain of delta links, and the query options with which the chain started.

    generation: number of the link in its chain.
    walking: whether the first listing of everything is in progress. `position` then is the last
        item served, and `since` the newest change number when the listing started.
    since, until: after the first listing, the round reports the changes with numbers above `since`,
        up to `until`.
    position: the last item served in this round. None: none was served yet.
    issued: newest change number when the link was issued.
    """

    chain: str
    generation: int
    walking: bool
    since: int
    issued: int
    until: int | None = None
    position: tuple[str | int, ...] | None = None
    options: dict[str, str]


class DeltaLinks:
    def __init__(self, database: SimulatorDatabase) -> None:
        self._database = database
        self._key = database.read_or_create_secret("delta links", lambda: token_bytes(32))

    def begin_chain(self, owner_id: str, options: dict[str, str], journal_end: int) -> DeltaCursor:
        """Start a chain of delta links for the messages of a folder, or for the folders of a
        mailbox; return its first cursor.

        owner_id: the folder's id, or the user's id for folders.
        """
        chain = token_hex(6)
        self._database.execute_write(
            "INSERT INTO chain (id, owner_id, highest) VALUES (?, ?, 0)", chain, owner_id
        )
        return DeltaCursor(
            chain=chain,
            generation=0,
            walking=True,
            since=journal_end,
            issued=journal_end,
            options=options,
        )

    def open_delta_token(
        self,
        token: str,
        owner_id: str,
        behaviour: Behaviour,
        *,
        has_expired: Callable[[int], bool],
    ) -> DeltaCursor:
        """Verify a delta token and return its cursor.

        has_expired: returns whether links that were issued at this change number have expired.

        Raises:
            GraphError: 400 for a token that was never issued, 410 for a token that is too old.
        """
        cursor = self._unseal(token)
        chain = self._database.fetch_row(
            "SELECT * FROM chain WHERE id = ? AND owner_id = ?", cursor.chain, owner_id
        )
        if chain is None:
            raise bad_request_error("Badly formed token.")
        oldest = chain["highest"] - behaviour.generations_kept + 1
        if has_expired(cursor.issued):
            oldest = chain["highest"] + 1
        if cursor.generation < oldest:
            kept = "".join(f"[{number}]" for number in range(oldest, chain["highest"] + 1))
            raise GraphError(
                410,
                "SyncStateNotFound",
                "The sync state generation is not found; "
                f"generation={cursor.generation};[highest={chain['highest']}]{kept}.",
            )
        return cursor

    def seal_delta_cursor(self, cursor: DeltaCursor) -> str:
        """Return a delta token that contains the cursor, as the newest generation of its chain."""
        cursor = replace(cursor, generation=cursor.generation + 1)
        self._database.execute_write(
            "UPDATE chain SET highest = max(highest, ?) WHERE id = ?",
            *(cursor.generation, cursor.chain),
        )
        text = orjson.dumps(asdict(cursor))
        return urlsafe_b64encode(self._mac(text) + text).decode().rstrip("=")

    def _unseal(self, token: str) -> DeltaCursor:
        try:
            sealed = urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4))
        except ValueError:
            raise bad_request_error("Badly formed token.") from None
        mac, text = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(mac, self._mac(text)):
            raise bad_request_error("Badly formed token.")
        fields = orjson.loads(text)
        if "issued" not in fields:  # of an earlier release
            raise bad_request_error("Badly formed token.")
        position = tuple(fields["position"]) if fields["position"] else None
        return DeltaCursor(**{**fields, "position": position})

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, hashlib.sha256)[:_SEAL_BYTES]
