"""Wrap and unwrap data keys with AWS KMS.

Source: AWS KMS API Reference, GenerateDataKey and Decrypt.
"""

from base64 import b64decode, b64encode
from typing import Any

from mailsync.aws.client import KMS, AwsClient


class KmsDataKeys:
    """A client of KMS for data keys; its parameters and results have the names of the API. Several
    threads may use it at the same time.

    Every method raises AwsRejected or AwsUnavailable.
    """

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._client = AwsClient(KMS, endpoint_url)

    def generate_data_key(self, **parameters: Any) -> dict[str, bytes]:
        """Return a new data key: `Plaintext`, and `CiphertextBlob` that `decrypt` opens."""
        made = self._client.call("GenerateDataKey", **parameters)
        return {name: b64decode(made[name]) for name in ("Plaintext", "CiphertextBlob")}

    def decrypt(self, *, CiphertextBlob: bytes, **parameters: Any) -> dict[str, bytes]:  # noqa: N803
        """Return the `Plaintext` of a wrapped data key."""
        wrapped = b64encode(CiphertextBlob).decode()
        opened = self._client.call("Decrypt", CiphertextBlob=wrapped, **parameters)
        return {"Plaintext": b64decode(opened["Plaintext"])}
