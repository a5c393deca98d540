"""Make data keys with AWS KMS, and decrypt (unwrap) stored data keys.

Source: AWS KMS API Reference, GenerateDataKey and Decrypt.
"""

from base64 import b64decode, b64encode
from typing import Any

from mailsync.aws.client import KMS_SERVICE, AwsClient


class KmsDataKeyClient:
    """A client of AWS KMS for data keys. Parameters and results have the names of the KMS API.
    Several threads may use the same client.

    Every method raises AwsRejected or AwsUnavailable.
    """

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._client = AwsClient(KMS_SERVICE, endpoint_url)

    def generate_data_key(self, **parameters: Any) -> dict[str, bytes]:
        """Make a new data key. `Plaintext` of the result is the data key, `CiphertextBlob` is the
        data key encrypted by KMS; `decrypt` decrypts it."""
        made = self._client.call_operation("GenerateDataKey", **parameters)
        return {name: b64decode(made[name]) for name in ("Plaintext", "CiphertextBlob")}

    def decrypt(self, *, CiphertextBlob: bytes, **parameters: Any) -> dict[str, bytes]:  # noqa: N803
        """Decrypt a data key that KMS has encrypted. `Plaintext` of the result is the data key."""
        wrapped = b64encode(CiphertextBlob).decode()
        opened = self._client.call_operation("Decrypt", CiphertextBlob=wrapped, **parameters)
        return {"Plaintext": b64decode(opened["Plaintext"])}
