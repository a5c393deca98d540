"""The API over HTTP: the real authorizer, and functions as processes of their own."""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

from infra.catalog import AUTHORIZER_FUNCTION, FUNCTIONS, ROUTES
from localdev.engine.http_api import HttpApi
from localdev.engine.lambda_host import LambdaHost
from mailsync.settings import Settings
from mailsync.store.connection import connect
from tests.api.hidden_mail import hide_mail
from tests.api.issuer import Issuer, bearer, rsa_key
from tests.api.requests import good_parts
from tests.support.paths import ROOT

CODE_ROOT = ROOT / "lambdas"
ADD_ACCOUNT = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address)
VALUES (:user, 'microsoft', :number, 'someone@example.org') RETURNING id::text"""
ADD_RUN = """
INSERT INTO mailsync.sync_runs (id, account_id, sync_type)
VALUES (:id, cast(:account AS uuid), 'manual')"""
ROWS = """
SELECT a.*, r.* FROM mailsync.email_accounts a
  LEFT JOIN mailsync.sync_runs r ON r.account_id = a.id
 WHERE a.id = cast(:account AS uuid)"""
AUDIENCE, ISSUER = "authenticated", "https://issuer.example.org"


class ApiServer:
    """Up inside `with`, with an issuer whose key it knows: `key`, published as `k`."""

    def __init__(self, database_url: str, settings: Mapping[str, str], logs: Path) -> None:
        self.key = rsa_key()
        self._database = connect(Settings({"DATABASE_URL": database_url}))
        self._issuer = Issuer()
        self._issuer.publish(self.key, "k")
        identity = {
            "JWT_JWKS_URL": self._issuer.url,
            "JWT_AUDIENCE": AUDIENCE,
            "JWT_ISSUER": ISSUER,
            "API_LIMITS": "self-test=60",  # two routes share it
        }
        self._settings = {**settings, **identity, "DATABASE_URL": database_url}
        self._logs = logs
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        host = LambdaHost(FUNCTIONS, code_root=CODE_ROOT, logs=self._logs, settings=self._settings)
        api = HttpApi(host, ROUTES, port=0, authorizer=AUTHORIZER_FUNCTION.name)
        self._exit.callback(self._database.close)
        self._exit.callback(host.stop)
        self._exit.enter_context(self._issuer)
        api.start()
        self._exit.callback(api.stop)
        self.url = f"http://localhost:{api.port}"
        self._http = self._exit.enter_context(httpx.Client(base_url=self.url, timeout=60))
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def token(self, **claims: Any) -> str:
        """Ann's, and good, unless the claims say otherwise."""
        return bearer(self.key, "RS256", kid="k", **{"aud": AUDIENCE, "iss": ISSUER, **claims})

    def account(self, user_id: str) -> tuple[str, str]:
        """Add an account of the user whose mail is nearly all gone, and a queued run of it."""
        number = str(uuid4())
        ((account_id,),) = self._database.run(ADD_ACCOUNT, user=user_id, number=number) or []
        self._database.run(ADD_RUN, id=number, account=account_id)
        hide_mail(self._database.run, account_id, messages=22, gone=20)
        return str(account_id), number

    def rows(self, account_id: str) -> list[list[Any]]:
        """The account and its runs, as they are in the database now."""
        return self._database.run(ROWS, account=account_id) or []

    def send(
        self,
        route: str,
        authorization: str | None,
        account_id: str,
        run_id: str,
        **parts: Mapping[str, Any],
    ) -> httpx.Response:
        """Send a good request to the route, about the account wherever one can be named.

        parts: `query`, `body` and `headers` beside that.
        """
        method, path = route.format(accountId=account_id, runId=run_id).split(" ")
        query, body = good_parts(route, account_id)
        signed = {"Authorization": authorization} if authorization is not None else {}
        return self._http.request(
            method,
            path,
            params={**query, **parts.get("query", {})},
            json=body if body is None else {**body, **parts.get("body", {})},
            headers={**signed, **parts.get("headers", {})},
        )


def without_ids(response: httpx.Response, *ids: str) -> tuple[int, dict[str, str], str]:
    """Return all that a caller can see, except the ids of request and objects and the time."""
    headers = {name: text for name, text in response.headers.items() if name != "date"}
    body = response.text
    for each in ids:
        body = body.replace(each, "ID")
    return response.status_code, headers, re.sub(r'"requestId": "[^"]+"', "", body)
