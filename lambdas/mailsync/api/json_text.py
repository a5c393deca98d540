"""Parse untrusted JSON, whose integers may have more digits than Python's parser accepts."""

import json
from typing import Any

_MAX_INT_DIGITS = 20
"""Maximum length of a JSON integer, sign included, that is parsed as an integer. No field of the
API accepts more than 16 digits."""


def parse_untrusted_json(text: str) -> Any:
    """Parse JSON and return its value.

    An integer of more than `_MAX_INT_DIGITS` digits becomes a float, possibly infinite. No field of
    the API accepts such a value, so the validation rejects it.

    Raises json.JSONDecodeError when `text` is not JSON, RecursionError when it is nested too
    deeply.
    """
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else float(digits)
