"""A function that does what its event says; the engine's tests run it as a real process."""

import os
import signal
import time
from typing import Any


class FolderGone(Exception):
    """A product's error, by its name."""


def handler(event: dict[str, Any], context: Any) -> Any:
    print("called", flush=True)
    match event.get("do"):
        case "sleep":
            time.sleep(event["seconds"])
        case "raise":
            raise FolderGone("Folder 7 is gone.")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hoard":
            hoard = b"x" * (event["megabytes"] * 2**20)
            return len(hoard)
        case "large":
            return "x" * (7 * 1024 * 1024)
        case "environment":
            return dict(os.environ)
    return {
        "event": event,
        "pid": os.getpid(),
        "requestId": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "remainingMs": context.get_remaining_time_in_millis(),
    }
