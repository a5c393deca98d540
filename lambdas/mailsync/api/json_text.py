"""Parsing of untrusted JSON, whose integers may have more digits than Python parses."""

import json
from typing import Any

_MAX_INT_DIGITS = 20
"""Digits and sign. No field of the API accepts an integer of more than 16 digits."""


def parse_untrusted_json(text: str) -> Any:
    """Parse JSON.

    An integer of more than `_MAX_INT_DIGITS` becomes a float, possibly infinite. No field of the
    API accepts such a value, so validation rejects it.

    Raises:
        json.JSONDecodeError: `text` is not JSON.
        RecursionError: `text` is nested too deeply.
    """
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else float(digits)
