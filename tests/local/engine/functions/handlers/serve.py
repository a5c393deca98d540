"""Answers an HTTP API event with what it was told to, or with the event itself."""

import json
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    told = event.get("queryStringParameters", {}).get("answer")
    if told == "raise":
        raise RuntimeError("told to")
    if told == "plain":
        return {"plain": True}
    if told == "cookies":
        return {"statusCode": 201, "cookies": ["a=1; Path=/", "b=2"], "body": "made"}
    if told == "binary":
        return {"statusCode": 200, "isBase64Encoded": True, "body": "AAH/"}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(event),
    }
