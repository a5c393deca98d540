"""Make and verify delta links. Each link contains a signed cursor, and only the newest few links of
a chain are valid.

A chain is the series of delta links that one request without a token started. Microsoft's error
message calls the number of a link in its chain the generation of the link. The link's token
contains the whole cursor; the database stores only the highest link number of each chain. So a
client that requests a link twice gets next links with the same number. A link with an old number
gets a 410 response with the message that Microsoft's service was seen to send.
Source: Microsoft Graph docs, delta-query-overview.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from secrets import token_bytes, token_hex

import orjson

from localdev.simulators.behaviour import MicrosoftBehaviour
from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.graph.errors import GraphError, bad_request_error

_SEAL_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaCursor:
    """The position of a chain of delta links, and the query options with which the chain started.

    chain_id: id of the chain.
    link_number_in_chain: number of the link in its chain.
    is_in_first_listing: whether the chain is still in its first listing of all items. False: the
        chain reports changes.
    after_change_number, up_to_change_number: change numbers. A round reports the changes above
        `after_change_number`, up to `up_to_change_number`. During the first listing,
        `after_change_number` is the newest change number when the listing started. None as
        `up_to_change_number`: the first listing, or a round that has not begun.
    last_reported_item_sort_key: sort key of the last item that this round returned. None: it
        returned no item yet.
    issued_at_change_number: newest change number when the link was issued.
    first_request_query_options: query options of the request that started the chain.
    """

    chain_id: str
    link_number_in_chain: int
    is_in_first_listing: bool
    after_change_number: int
    issued_at_change_number: int
    up_to_change_number: int | None = None
    last_reported_item_sort_key: tuple[str | int, ...] | None = None
    first_request_query_options: dict[str, str]


class DeltaLinkIssuer:
    def __init__(self, database: SimulatorDatabase) -> None:
        self._database = database
        self._key = database.read_or_create_secret("delta links", lambda: token_bytes(32))

    def create_first_delta_cursor(
        self, owner_id: str, options: dict[str, str], journal_end: int
    ) -> DeltaCursor:
        """Start a chain of delta links; return the chain's first cursor.

        owner_id: id of the folder whose messages the chain reports, or id of the user whose folders
            it reports.
        journal_end: the newest change number.
        """
        chain = token_hex(6)
        self._database.execute_write(
            "INSERT INTO chain (id, owner_id, highest) VALUES (?, ?, 0)", chain, owner_id
        )
        return DeltaCursor(
            chain_id=chain,
            link_number_in_chain=0,
            is_in_first_listing=True,
            after_change_number=journal_end,
            issued_at_change_number=journal_end,
            first_request_query_options=options,
        )

    def open_delta_token(
        self,
        token: str,
        owner_id: str,
        behaviour: MicrosoftBehaviour,
        *,
        has_expired: Callable[[int], bool],
    ) -> DeltaCursor:
        """Verify a delta token and return its cursor.

        owner_id: id of the folder or user with which the chain was created.
        has_expired: function that takes the change number at which a link was issued, and returns
            whether the link has expired.

        Raises:
            GraphError: 400 for a token that was never issued to this owner, 410 for a token that is
                too old.
        """
        cursor = self._unseal(token)
        chain = self._database.fetch_row(
            "SELECT * FROM chain WHERE id = ? AND owner_id = ?", cursor.chain_id, owner_id
        )
        if chain is None:
            raise bad_request_error("Badly formed token.")
        oldest = chain["highest"] - behaviour.generations_kept + 1
        if has_expired(cursor.issued_at_change_number):
            oldest = chain["highest"] + 1
        if cursor.link_number_in_chain < oldest:
            kept = "".join(f"[{number}]" for number in range(oldest, chain["highest"] + 1))
            raise GraphError(
                410,
                "SyncStateNotFound",
                "The sync state generation is not found; "
                f"generation={cursor.link_number_in_chain};[highest={chain['highest']}]{kept}.",
            )
        return cursor

    def seal_delta_cursor(self, cursor: DeltaCursor) -> str:
        """Return a signed delta token that contains the cursor with the next link number."""
        cursor = replace(cursor, link_number_in_chain=cursor.link_number_in_chain + 1)
        self._database.execute_write(
            "UPDATE chain SET highest = max(highest, ?) WHERE id = ?",
            *(cursor.link_number_in_chain, cursor.chain_id),
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
        if "issued_at_change_number" not in fields:  # of an earlier release
            raise bad_request_error("Badly formed token.")
        sort_key = fields.pop("last_reported_item_sort_key")
        return DeltaCursor(
            **fields, last_reported_item_sort_key=tuple(sort_key) if sort_key else None
        )

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, hashlib.sha256)[:_SEAL_BYTES]
