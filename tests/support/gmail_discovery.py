"""Check requests and answers of the Gmail API against Google's own description of it.

The document is the copy in google-api-python-client. It names and types all fields and requires
none: it proves that what is there is right, not that all is there.
"""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from jsonschema import Draft202012Validator

JsonObject = dict[str, Any]
_PATTERNS = {
    "int64": r"^-?[0-9]{1,19}$",
    "uint64": r"^[0-9]{1,20}$",
    "byte": r"^[A-Za-z0-9_-]*={0,2}$",
}
_RANGES = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}


@cache
def discovery_document() -> JsonObject:
    name = "discovery_cache/documents/gmail.v1.json"
    document: JsonObject = json.loads(files("googleapiclient").joinpath(name).read_bytes())
    return document


def check_request(method: str, path: str, query: str) -> None:
    """Require that a request has only parameters and values that its method takes."""
    document = discovery_document()
    known = document["parameters"] | _find_method(method, path)["parameters"]
    for name, values in parse_qs(query, keep_blank_values=True).items():
        assert name in known, f"{method} {path} has no parameter {name}"
        described = known[name]
        assert described.get("repeated") or len(values) == 1, f"{name} occurs twice"
        Draft202012Validator({"items": _value_schema(described)}).validate(
            [_value(described["type"], each) for each in values]
        )


def check_answer(method: str, path: str, body: bytes) -> None:
    """Require that the body of an answer 200 has only fields of its method, with their types."""
    name = _find_method(method, path)["response"]["$ref"]
    _validator(name).validate(json.loads(body))


def _find_method(method: str, path: str) -> JsonObject:
    for pattern, described in _methods():
        if described["httpMethod"] == method and pattern.fullmatch(path):
            return described
    raise AssertionError(f"Gmail has no method {method} {path}")


@cache
def _methods() -> list[tuple[re.Pattern[str], JsonObject]]:
    found = []
    pending = [discovery_document()]
    while pending:
        resource = pending.pop()
        pending += resource.get("resources", {}).values()
        for each in resource.get("methods", {}).values():
            path = each.get("flatPath") or each["path"]
            found.append((re.compile("/" + re.sub(r"\{\w+\}", "[^/]+", path)), each))
    return found


@cache
def _validator(name: str) -> Draft202012Validator:
    schemas = discovery_document()["schemas"]
    definitions = {each: _object_schema(described) for each, described in schemas.items()}
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})


def _object_schema(described: JsonObject) -> JsonObject:
    properties = described.get("properties", {})
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _value_schema(each) for name, each in properties.items()},
    }


def _value_schema(described: JsonObject) -> JsonObject:
    """Return the JSON Schema of a field or a parameter."""
    if "$ref" in described:
        return {"$ref": f"#/$defs/{described['$ref']}"}
    schema: JsonObject = {name: described[name] for name in ("type", "enum") if name in described}
    if "items" in described:
        schema["items"] = _value_schema(described["items"])
    form = described.get("format")
    if form in _PATTERNS:
        schema["pattern"] = _PATTERNS[form]
    if form in _RANGES:
        schema["minimum"], schema["maximum"] = _RANGES[form]
    return schema


def _value(kind: str, text: str) -> object:
    """Return the value of a parameter; a text that has not the form of its type stays a text."""
    try:
        return json.loads(text) if kind in ("integer", "boolean") else text
    except json.JSONDecodeError:
        return text
