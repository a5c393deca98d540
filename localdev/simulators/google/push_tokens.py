"""Sign the tokens with which Pub/Sub authenticates its pushes.

Source: Google Cloud documentation, "Authentication for push subscriptions" (Pub/Sub).
"""

from typing import Any

from localdev.simulators.identity.signing import SigningKey

GOOGLE_TOKEN_ISSUER = "https://accounts.google.com"
PUSH_SERVICE_ACCOUNT = "mailsync-push@simulated-project.iam.gserviceaccount.com"
_LIFETIME_S = 3600


class PushTokenSigner:
    """Signs push tokens with the private key whose public key is in Google's key set."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def sign(self, audience: str, email: str = PUSH_SERVICE_ACCOUNT, **claims: Any) -> str:
        """Return the token of a push to `audience` by the service account `email`.

        claims: claims that replace or complete those of Pub/Sub, such as `email_verified=False`.
        """
        ordinary = {
            "iss": GOOGLE_TOKEN_ISSUER,
            "aud": audience,
            "azp": "100000000000000000001",
            "sub": "100000000000000000001",
            "email": email,
            "email_verified": True,
        }
        return self._key.sign_token({**ordinary, **claims}, lifetime_s=_LIFETIME_S)
