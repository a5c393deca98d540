"""Secrets at rest: AES-256-GCM under a data key that only the key service can unwrap.

A secret is bound to its column and its owner: moved to another column or row it does not open.
Data keys are shared by all accounts, so a sync costs no call of the key service while one is known
(AWS KMS docs, "Envelope encryption"); they stay in memory for 10 minutes, and a new one is made
every 30 days.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailsync.errors import AccessRevoked, SettingMissing, StoreUnavailable
from mailsync.model import DataKey, Sealed

REMEMBERED_S = 600.0
REPLACED_AFTER = timedelta(days=30)
ENCRYPTION_CONTEXT = {"purpose": "mail-token"}
_NONCE_BYTES = 12
_REFUSED = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "IncorrectKeyException",
        "InvalidCiphertextException",
        "KMSInvalidStateException",
        "NotFoundException",
    }
)


class Column(StrEnum):
    """Each column that holds sealed values. The texts are part of every binding: never edit one."""

    GRANT = "email_credentials.grant_sealed"
    ACCESS = "email_credentials.access_sealed"
    CURSOR = "folder_cursors.cursor_sealed"
    SIGN_IN = "sign_ins.flow_sealed"
    PENDING_CONNECTION = "pending_connections.connection_sealed"


@dataclass(frozen=True, slots=True)
class Place:
    """The one place where a sealed value opens; `owner` is an account id, for instance."""

    column: Column
    owner: str

    @property
    def binding(self) -> bytes:
        """The associated data. No earlier binding holds a NUL, which Postgres' text refuses."""
        return f"{self.column}\0{self.owner}".encode()

    @property
    def earlier_binding(self) -> bytes:
        """What versions before migration 0016 bound: the owner alone."""
        return self.owner.encode()


class DataKeyStore(Protocol):
    def newest_data_key(self) -> DataKey | None: ...

    def data_key(self, key_id: int) -> DataKey: ...

    def add_data_key(self, wrapped: bytes) -> DataKey: ...


@dataclass(frozen=True, slots=True)
class SealingKey:
    """An unwrapped data key; uses neither store nor key service."""

    id: int
    created_at: datetime
    remembered_until: float
    cipher: AESGCM = field(repr=False)

    def seal(self, place: Place, text: str) -> Sealed:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return Sealed(self.id, nonce + self.cipher.encrypt(nonce, text.encode(), place.binding))


class Vault:
    """`kms` is a boto3 client, made when first needed; `clock` counts seconds.

    Every method that needs a data key raises:
        SettingMissing: the key service refuses the key of TOKEN_KEY_ARN.
        StoreUnavailable: the key service does not answer.
    """

    def __init__(
        self,
        kms_key_arn: str,
        keys: DataKeyStore,
        kms: Any = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kms_key_arn = kms_key_arn
        self._keys = keys
        self._kms = kms
        self._clock = clock
        self._known: dict[int, SealingKey] = {}

    def seal(self, place: Place, text: str) -> Sealed:
        """Seal for this place alone; the place is not kept in the value."""
        return self.sealing_key().seal(place, text)

    def open(self, place: Place, sealed: Sealed) -> str:
        """Return the text of a value that was sealed for this place, or earlier for its owner.

        Raises:
            AccessRevoked: the value is damaged or was sealed for another place. It stays as it is.
        """
        cipher = self._key(sealed.key_id).cipher
        nonce, ciphertext = sealed.data[:_NONCE_BYTES], sealed.data[_NONCE_BYTES:]
        for binding in (place.binding, place.earlier_binding):
            try:
                return cipher.decrypt(nonce, ciphertext, binding).decode()
            except (InvalidTag, ValueError):
                continue
        raise AccessRevoked(
            f"A stored secret of {place.owner} does not open with its key ({place.column});"
            " connect it again."
        )

    def sealing_key(self) -> SealingKey:
        """The newest data key; a new one when there is none or it is older than 30 days."""
        known = max(self._remembered(), key=lambda each: each.id, default=None)
        if known and not _is_old(known.created_at):
            return known
        newest = self._keys.newest_data_key()
        if newest and not _is_old(newest.created_at):
            return self._unwrap(newest)
        made = self._ask("generate_data_key", KeyId=self._kms_key_arn, KeySpec="AES_256")
        return self._remember(self._keys.add_data_key(made["CiphertextBlob"]), made["Plaintext"])

    def _key(self, key_id: int) -> SealingKey:
        for known in self._remembered():
            if known.id == key_id:
                return known
        return self._unwrap(self._keys.data_key(key_id))

    def _remembered(self) -> list[SealingKey]:
        now = self._clock()
        self._known = {
            key: each for key, each in self._known.items() if each.remembered_until > now
        }
        return list(self._known.values())

    def _unwrap(self, key: DataKey) -> SealingKey:
        answer = self._ask("decrypt", KeyId=self._kms_key_arn, CiphertextBlob=key.wrapped)
        return self._remember(key, answer["Plaintext"])

    def _remember(self, key: DataKey, plaintext: bytes) -> SealingKey:
        known = SealingKey(key.id, key.created_at, self._clock() + REMEMBERED_S, AESGCM(plaintext))
        self._known[key.id] = known
        return known

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        self._kms = self._kms or boto3.client("kms")
        try:
            answer: dict[str, Any] = getattr(self._kms, operation)(
                EncryptionContext=ENCRYPTION_CONTEXT, **parameters
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _REFUSED:
                raise SettingMissing(
                    f"The key service refuses the key of TOKEN_KEY_ARN ({code});"
                    " check the setting and the key's policy."
                ) from None
            raise StoreUnavailable(f"The key service failed ({code}); trying again.") from None
        except BotoCoreError as error:
            raise StoreUnavailable(
                f"The key service does not answer ({type(error).__name__}); trying again."
            ) from None
        return answer


def _is_old(created_at: datetime) -> bool:
    return datetime.now(UTC) - created_at > REPLACED_AFTER
