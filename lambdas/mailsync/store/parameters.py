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
def replace_named_parameters(sql: str) -> tuple[str, Callable[[dict[str, Any]], tuple[Any, ...]]]:
    """Replace the named parameters of an SQL statement by numbered ones. Return the new statement,
    and a function that converts named values to a tuple in the order of the numbers.

    Results are cached. Otherwise pg8000 would parse the statement at each run, which takes 0.1 ms,
    and 1.2 ms for the statement that stores a page.
    """
    statement, values_of = pg8000.native.to_statement(sql)
    return statement, values_of
