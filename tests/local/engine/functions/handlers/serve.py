"""Return the response that `answer` in the query names, or the event itself."""

import json
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    wanted = event.get("queryStringParameters", {}).get("answer")
    if wanted == "raise":
        raise RuntimeError("as wanted")
    if wanted == "plain":
        return {"plain": True}
    if wanted == "cookies":
        return {"statusCode": 201, "cookies": ["a=1; Path=/", "b=2"], "body": "made"}
    if wanted == "binary":
        return {"statusCode": 200, "isBase64Encoded": True, "body": "AAH/"}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(event),
    }
