"""Parse the error that Step Functions passes to the states that record a failure."""

import json
from collections.abc import Mapping

MAX_ERROR_MESSAGE_CHARS = 1000


def parse_caught_state_error(error: Mapping[str, str]) -> tuple[str, str]:
    """Return name and message of an error that a Catch of the workflow passes on as `Error` and
    `Cause`. The message is cut after `MAX_ERROR_MESSAGE_CHARS`. A missing name is `Unknown`.

    For an exception in a Lambda function, `Cause` is a JSON object (AWS docs, "Handling errors in
    Step Functions"). For a time-out or a service error, it is plain text.
    """
    cause = error.get("Cause", "")
    try:
        parsed = json.loads(cause)
    except json.JSONDecodeError:
        parsed = None
    message = parsed.get("errorMessage", cause) if isinstance(parsed, dict) else cause
    return error.get("Error", "Unknown"), str(message)[:MAX_ERROR_MESSAGE_CHARS]
