"""An application that reads the tables: its own connection, past the product."""

import json
from typing import Any

from mailsync.settings import Settings
from mailsync.store.connection import connect

LOGIN = "an_application"


class Reader:
    """A member of mailsync_reader and of nothing else; `rows` is one transaction."""

    def __init__(self, url: str) -> None:
        self._connection = connect(Settings({"DATABASE_URL": url}))

    def rows(
        self, sql: str, *, user: str | None = None, claims: dict[str, str] | None = None
    ) -> list[list[Any]]:
        """What the person sees that the application names, or whose JWT was verified."""
        self._connection.run("BEGIN")
        try:
            if user is not None:
                self._set("mailsync.user_id", user)
            if claims is not None:
                self._set("request.jwt.claims", json.dumps(claims))
            return self._connection.run(sql) or []
        finally:
            self._connection.run("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    def _set(self, name: str, value: str) -> None:
        self._connection.run("SELECT set_config(:name, :value, true)", name=name, value=value)
