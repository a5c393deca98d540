"""Check the credentials with which the application authenticates at the token endpoint: its client
secret, or a signed assertion.

Sources: Microsoft identity platform docs, "Application authentication certificate credentials" and
    "Authentication and authorization error codes"; RFC 7523.
"""

import hmac
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from localdev.simulators.database import SimulatorDatabase

JWT_BEARER_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenEndpointError(Exception):
    """The token endpoint rejects a request, with an error code of OAuth and an AADSTS number of
    Microsoft."""

    def __init__(self, error: str, number: int, sentence: str, status: int = 400) -> None:
        super().__init__(f"AADSTS{number}: {sentence}")
        self.error = error
        self.number = number
        self.status = status


class AppAuthenticator:
    def __init__(self, database: SimulatorDatabase, client_id: str, client_secret: str) -> None:
        self.client_id = client_id
        self._database = database
        self._secret = client_secret

    def register_certificate(self, pem: str) -> None:
        """Register a certificate of the app. Raises ValueError when `pem` is not a certificate."""
        certificate = x509.load_pem_x509_certificate(pem.encode())
        thumbprint = urlsafe_b64encode(certificate.fingerprint(SHA256())).decode().rstrip("=")
        public = certificate.public_bytes(Encoding.PEM).decode()
        self._database.execute_write(
            "INSERT INTO app_certificate VALUES (?, ?) ON CONFLICT DO NOTHING", thumbprint, public
        )

    def check_client_id(self, form: dict[str, str]) -> None:
        """Check that a request names the application. Raises TokenEndpointError."""
        if form.get("client_id") != self.client_id:
            sentence = "Application was not found in the directory."
            raise TokenEndpointError("unauthorized_client", 700016, sentence)

    def check_app_credentials(self, form: dict[str, str], token_url: str) -> None:
        """Check the application's credentials in a token request. Raises TokenEndpointError."""
        self.check_client_id(form)
        if form.get("client_assertion_type") == JWT_BEARER_ASSERTION_TYPE:
            self._check_assertion(form.get("client_assertion", ""), token_url)
        elif "client_secret" not in form:
            sentence = "The request body must contain 'client_assertion' or 'client_secret'."
            raise TokenEndpointError("invalid_client", 7000218, sentence, 401)
        elif not hmac.compare_digest(form["client_secret"], self._secret):
            raise TokenEndpointError(
                "invalid_client", 7000215, "Invalid client secret provided.", 401
            )

    def _check_assertion(self, assertion: str, token_url: str) -> None:
        try:
            certificate = self._signer(assertion)
            key = certificate.public_key()
            assert isinstance(key, rsa.RSAPublicKey)
            jwt.decode(
                assertion,
                key,
                algorithms=["PS256"],
                audience=token_url,
                issuer=self.client_id,
                subject=self.client_id,
                options={"require": ["exp", "iss", "sub", "aud", "jti"]},
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            sentence = "Client assertion is not within its valid time range."
            raise TokenEndpointError("invalid_client", 700024, sentence, 401) from None
        except jwt.PyJWTError:
            sentence = "Client assertion failed signature validation."
            raise TokenEndpointError("invalid_client", 700027, sentence, 401) from None
        if (
            not certificate.not_valid_before_utc
            < datetime.now(UTC)
            < certificate.not_valid_after_utc
        ):
            sentence = "The provided certificate is not within its specified validity window."
            raise TokenEndpointError("invalid_client", 1000502, sentence, 401)

    def _signer(self, assertion: str) -> x509.Certificate:
        named = str(jwt.get_unverified_header(assertion).get("x5t#S256", "")).rstrip("=")
        found = self._database.fetch_row(
            "SELECT pem FROM app_certificate WHERE thumbprint = ?", named
        )
        if found is None:
            sentence = "The certificate used to sign the client assertion is not registered."
            raise TokenEndpointError("invalid_client", 700027, sentence, 401)
        return x509.load_pem_x509_certificate(found["pem"].encode())
