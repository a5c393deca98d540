"""Store the sign-ins of devices: a program shows a code, and a person enters it in a browser.

Source: Microsoft identity platform docs, v2-oauth2-device-code.
"""

import time
from secrets import choice, token_urlsafe
from typing import Any

from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.entra.app_login import TokenEndpointError
from localdev.simulators.entra.consents import ConsentStore

DEVICE_CODE_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
DEVICE_CODE_LIFETIME_S = 900
_POLL_INTERVAL_S = 5
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that looks like another


class DeviceCodeStore:
    def __init__(self, database: SimulatorDatabase, consents: ConsentStore) -> None:
        self._database = database
        self._consents = consents

    def issue_device_code(self, scope: str, verification_uri: str) -> dict[str, Any]:
        """Return the response of the device authorization endpoint."""
        user_code = "".join(choice(_LETTERS) for _ in range(9))
        device_code = token_urlsafe(96)
        self._database.execute_write(
            "INSERT INTO device_code VALUES (?, ?, ?, NULL, 0, ?)",
            *(device_code, user_code, scope, time.time() + DEVICE_CODE_LIFETIME_S),
        )
        return {
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": verification_uri,
            "expires_in": DEVICE_CODE_LIFETIME_S,
            "interval": _POLL_INTERVAL_S,
            "message": f"To sign in, open {verification_uri} and enter the code {user_code}.",
        }

    def approve_sign_in(self, user_code: str, user_id: str) -> bool:
        """Sign the user in on the device that shows the code. Return False if the code is unknown
        or expired."""
        row = self._open_row(user_code)
        if row is None:
            return False
        consent_id = self._consents.create_consent(user_id, row["scope"])
        self._database.execute_write(
            "UPDATE device_code SET consent_id = ? WHERE value = ?", consent_id, row["value"]
        )
        return True

    def decline_sign_in(self, user_code: str) -> bool:
        """Refuse the sign-in. Return False if the code is unknown or expired."""
        row = self._open_row(user_code)
        if row is not None:
            self._database.execute_write(
                "UPDATE device_code SET declined = 1 WHERE value = ?", row["value"]
            )
        return row is not None

    def consent_id_of_device_code(self, device_code: str) -> str:
        """Return the id of the consent that the person gave.

        Raises:
            TokenEndpointError: the person has not entered the code yet, or refused; or the code is
                unknown or expired.
        """
        row = self._database.fetch_row("SELECT * FROM device_code WHERE value = ?", device_code)
        if row is None:
            raise TokenEndpointError("bad_verification_code", 70018, "Invalid verification code.")
        if row["expires_at"] < time.time():
            raise TokenEndpointError("expired_token", 70019, "Verification code expired.")
        if row["declined"]:
            sentence = "User declined to consent to access the app."
            raise TokenEndpointError("authorization_declined", 65004, sentence)
        if row["consent_id"] is None:
            sentence = "Authorization is pending. Continue polling."
            raise TokenEndpointError("authorization_pending", 70016, sentence)
        return str(row["consent_id"])

    def is_public_client_request(self, form: dict[str, str]) -> bool:
        """Return whether a token request comes from a device, which has no secret: the request has
        no app credentials, and has a device code or a refresh token of a sign-in on a device."""
        if "client_secret" in form or "client_assertion" in form:
            return False
        found = self._database.fetch_row(
            "SELECT 1 FROM refresh_token r JOIN device_code d USING (consent_id) WHERE r.value = ?",
            form.get("refresh_token", ""),
        )
        return form.get("grant_type") == DEVICE_CODE_GRANT_TYPE or found is not None

    def _open_row(self, user_code: str) -> Any:
        return self._database.fetch_row(
            "SELECT * FROM device_code WHERE user_code = ? AND expires_at > ?",
            *(user_code.strip().upper(), time.time()),
        )
