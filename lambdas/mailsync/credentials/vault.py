"""Encrypt stored secrets with AES-256-GCM, under data keys that only AWS KMS can decrypt.

An encrypted (sealed) value is bound to its column and its owner: it cannot be decrypted in another
column or for another owner. All accounts share a data key, so most syncs need no call of KMS (AWS
KMS docs, "Envelope encryption"). A process caches data keys for 10 minutes. Mailsync makes a new
data key every 30 days.
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

from mailsync.aws.errors import AwsRejected, AwsUnavailable
from mailsync.credentials.kms import KmsDataKeyClient
from mailsync.errors import AccessRevoked, SettingMissing, StoreUnavailable
from mailsync.model import DataKey, SealedSecret

DATA_KEY_CACHE_LIFETIME_S = 600.0
MAX_AGE_OF_DATA_KEY_FOR_SEALING = timedelta(days=30)
KMS_ENCRYPTION_CONTEXT = {"purpose": "mail-token"}
_NONCE_BYTES = 12
_KEY_REJECTED_CODES = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "IncorrectKeyException",
        "InvalidCiphertextException",
        "KMSInvalidStateException",
        "NotFoundException",
    }
)


class SealedColumn(StrEnum):
    """The database columns that hold sealed (encrypted) values. Each stored value is bound to
    the text that this class has for the value's column, so never edit these texts."""

    GRANT = "email_credentials.grant_sealed"
    ACCESS_TOKEN = "email_credentials.access_sealed"  # noqa: S105
    PASSWORD = "email_credentials.password_sealed"  # noqa: S105
    CHANGE_FEED_CURSOR = "folder_cursors.cursor_sealed"
    UNFINISHED_SIGN_IN_FLOW = "sign_ins.flow_sealed"
    UNCONFIRMED_CONNECTION = "pending_connections.connection_sealed"


_BOUND_TO_OWNER_ALONE = frozenset(
    {
        SealedColumn.GRANT,
        SealedColumn.ACCESS_TOKEN,
        SealedColumn.CHANGE_FEED_CURSOR,
        SealedColumn.UNFINISHED_SIGN_IN_FLOW,
    }
)
"""The columns into which releases before migration 0016 wrote values that are bound to their owner
alone. If another column contains such a value, the value was moved there, so the vault
does not decrypt it."""


@dataclass(frozen=True, slots=True)
class SealingContext:
    """The column and the owner to which a sealed (encrypted) value is bound.

    sealed_column: the column that stores the value.
    account_or_user_id: the account id, or the user id of a sign-in.
    """

    sealed_column: SealedColumn
    account_or_user_id: str

    @property
    def aead_associated_data(self) -> bytes:
        """Return the cipher's associated data, which binds a sealed value to its column and owner.

        It consists of the column's name, a NUL and the owner. Earlier versions used associated data
        without a NUL, and no stored text contains a NUL, so the two forms never coincide.
        """
        return f"{self.sealed_column}\0{self.account_or_user_id}".encode()

    @property
    def aead_associated_data_of_all_releases(self) -> tuple[bytes, ...]:
        """Return all associated data that `Vault.decrypt_sealed_text` accepts for a stored value.

        The first is the associated data of this release. A column that existed before migration
        0016 has a second: the owner alone, with which earlier releases sealed their values.
        """
        earlier = (
            (self.account_or_user_id.encode(),)
            if self.sealed_column in _BOUND_TO_OWNER_ALONE
            else ()
        )
        return (self.aead_associated_data, *earlier)


class DataKeyStore(Protocol):
    """Interface of the store of data keys. Each data key is stored encrypted by the KMS key."""

    def find_newest_data_key(self) -> DataKey | None:
        """Return the data key that was made last. Return None if the store has no data key."""
        ...

    def read_data_key(self, key_id: int) -> DataKey:
        """Return the data key with this id."""
        ...

    def add_data_key(self, wrapped: bytes) -> DataKey:
        """Store a new data key and return it with its id.

        wrapped: the data key, encrypted by AWS KMS.
        """
        ...


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A decrypted data key. It encrypts values without a request to the store or to KMS.

    data_key_id: id of the data key in the store.
    created_at: when the data key was made.
    cache_expiry_monotonic_s: time at which the vault drops the key from its cache, in seconds of
        the vault's clock.
    aes_gcm_cipher: AES-GCM cipher with the decrypted key.
    """

    data_key_id: int
    created_at: datetime
    cache_expiry_monotonic_s: float
    aes_gcm_cipher: AESGCM = field(repr=False)

    def seal_text(self, context: SealingContext, text: str) -> SealedSecret:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return SealedSecret(
            self.data_key_id,
            nonce + self.aes_gcm_cipher.encrypt(nonce, text.encode(), context.aead_associated_data),
        )


class Vault:
    """Encrypts (seals) and decrypts (opens) secrets. A vault caches decrypted data keys.

    kms_key_arn: ARN of the KMS key that encrypts the data keys.
    keys: the store of the encrypted data keys.
    kms: client of KMS with the methods and the errors of `KmsDataKeyClient`. None: a new
        `KmsDataKeyClient`.
    clock: returns the current time in seconds.

    Every method that needs a data key raises:
        SettingMissing: KMS rejects the key of TOKEN_KEY_ARN.
        StoreUnavailable: KMS is unavailable.
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
        self._kms = kms or KmsDataKeyClient()
        self._clock = clock
        self._known: dict[int, SealingKey] = {}

    def seal_text(self, context: SealingContext, text: str) -> SealedSecret:
        """Encrypt `text` with the newest data key, and bind the result to `context`: the result can
        only be decrypted with the same context. The result does not contain the context."""
        return self.find_or_make_newest_sealing_key().seal_text(context, text)

    def decrypt_sealed_text(self, context: SealingContext, sealed: SealedSecret) -> str:
        """Decrypt a value that this release or an earlier release sealed for `context`; return the
        text.

        Raises:
            AccessRevoked: the value is damaged or bound to another context.
        """
        cipher = self._key(sealed.key_id).aes_gcm_cipher
        nonce, ciphertext = sealed.sealed_bytes[:_NONCE_BYTES], sealed.sealed_bytes[_NONCE_BYTES:]
        for binding in context.aead_associated_data_of_all_releases:
            try:
                return cipher.decrypt(nonce, ciphertext, binding).decode()
            except (InvalidTag, ValueError):
                continue
        raise AccessRevoked(
            f"A stored secret of {context.account_or_user_id} ({context.sealed_column}) cannot be"
            " decrypted, so mail is not synced. Stored mail stays readable; connect the mailbox"
            " again."
        )

    def find_or_make_newest_sealing_key(self) -> SealingKey:
        """Return the newest data key, decrypted. Make a new data key if there is none, or if the
        newest data key is older than `MAX_AGE_OF_DATA_KEY_FOR_SEALING`."""
        known = max(self._cached(), key=lambda each: each.data_key_id, default=None)
        if known and not _is_old(known.created_at):
            return known
        newest = self._keys.find_newest_data_key()
        if newest and not _is_old(newest.created_at):
            return self._unwrap(newest)
        made = self._call_kms("generate_data_key", KeyId=self._kms_key_arn, KeySpec="AES_256")
        return self._cache(self._keys.add_data_key(made["CiphertextBlob"]), made["Plaintext"])

    def _key(self, key_id: int) -> SealingKey:
        for known in self._cached():
            if known.data_key_id == key_id:
                return known
        return self._unwrap(self._keys.read_data_key(key_id))

    def _cached(self) -> list[SealingKey]:
        now = self._clock()
        self._known = {
            key: each for key, each in self._known.items() if each.cache_expiry_monotonic_s > now
        }
        return list(self._known.values())

    def _unwrap(self, key: DataKey) -> SealingKey:
        response = self._call_kms(
            "decrypt", KeyId=self._kms_key_arn, CiphertextBlob=key.wrapped_key
        )
        return self._cache(key, response["Plaintext"])

    def _cache(self, key: DataKey, plaintext: bytes) -> SealingKey:
        known = SealingKey(
            key.id, key.created_at, self._clock() + DATA_KEY_CACHE_LIFETIME_S, AESGCM(plaintext)
        )
        self._known[key.id] = known
        return known

    def _call_kms(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            response: dict[str, Any] = getattr(self._kms, operation)(
                EncryptionContext=KMS_ENCRYPTION_CONTEXT, **parameters
            )
        except AwsRejected as error:
            if error.code in _KEY_REJECTED_CODES:
                raise SettingMissing(
                    f"AWS KMS rejects the key of TOKEN_KEY_ARN ({error.code}), so no mailbox is"
                    " synced. Stored mail stays readable; check the setting and the key's policy."
                ) from None
            raise StoreUnavailable(
                f"AWS KMS failed ({error.code}). Stored mail stays readable; the sync is retried."
            ) from None
        except AwsUnavailable as error:
            raise StoreUnavailable(
                f"AWS KMS is unavailable ({error.code}). Stored mail stays readable; the"
                " sync is retried."
            ) from None
        return response


def _is_old(created_at: datetime) -> bool:
    return datetime.now(UTC) - created_at > MAX_AGE_OF_DATA_KEY_FOR_SEALING
