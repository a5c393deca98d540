"""JSON from outside, whose numbers may have more digits than Python reads."""

import json
from typing import Any

_MAX_INT_DIGITS = 20
"""Digits, with a sign; no field of ours takes a number of more than 16."""


def read_json(text: str) -> Any:
    """Parse `text`; a longer integer becomes a float, maybe infinite, which no field takes.

    Raises:
        json.JSONDecodeError: it is no JSON.
        RecursionError: it is nested too deep.
    """
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else float(digits)
