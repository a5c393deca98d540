"""Replace the named parameters of SQL statements by numbered ones, and serialize their values."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pg8000.native


@dataclass(frozen=True, slots=True)
class JsonBytes:
    """Serialized JSON as a statement parameter; pg8000 calls `encode` and sends the result."""

    json: bytes

    def encode(self, _encoding: str) -> bytes:
        return self.json


@lru_cache(maxsize=512)
def find_parameters(sql: str) -> tuple[str, Callable[[dict[str, Any]], tuple[Any, ...]]]:
    """Return the statement with numbered parameters, and a function that returns their values in
    order. pg8000 would read the statement character by character at each run: 0.1 ms, and 1.2 ms
    for the statement that stores a page."""
    statement, values_of = pg8000.native.to_statement(sql)
    return statement, values_of
