"""Convert values to the JSON that the dashboard's pages read: camelCase names, times in UTC."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

JsonObject = dict[str, Any]


def to_json_value(value: Any) -> Any:
    """Convert a Python value to JSON values. Dataclasses at every level become objects whose keys
    are the field names in camelCase.

    The keys of dictionaries stay unchanged.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            to_camel_case(each.name): to_json_value(getattr(value, each.name))
            for each in fields(value)
        }
    if isinstance(value, dict):
        return {key: to_json_value(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(member) for member in value]
    if isinstance(value, datetime):
        return format_iso_utc(value)
    return value


def to_json_bytes(value: Any) -> bytes:
    return orjson.dumps(to_json_value(value), option=orjson.OPT_NON_STR_KEYS)


def format_iso_utc(moment: datetime) -> str:
    """Return the time in ISO 8601 and UTC, such as `2026-01-31T09:30:00.500000Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def to_camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def milliseconds_between(start: datetime | None, end: datetime | None) -> int | None:
    """Return the milliseconds between two times. Return None if one of the times is None."""
    return round((end - start).total_seconds() * 1000) if start and end else None
