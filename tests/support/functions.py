"""The functions of the workflow, called in this process."""

import time
import uuid
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

from infra.catalog import FUNCTIONS, MAILBOX_SYNC_WORKFLOW

FUNCTION_S = 300


def load_functions() -> dict[str, ModuleType]:
    """The modules of the workflow's handlers, by their placeholders in its definition."""
    return {
        f"${{{function.arn_placeholder_name_in_asl}}}": import_module(
            f"handlers.{function.handler_module}"
        )
        for function in FUNCTIONS
        if function.arn_placeholder_name_in_asl in MAILBOX_SYNC_WORKFLOW.asl_text
    }


def lambda_context() -> Any:
    """What the handlers and Powertools read of Lambda's context object."""
    deadline = time.monotonic() + FUNCTION_S
    return SimpleNamespace(
        function_name="test",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:test",
        aws_request_id=str(uuid.uuid4()),
        get_remaining_time_in_millis=lambda: int((deadline - time.monotonic()) * 1000),
    )


def run_scheduled(module: str) -> dict[str, int]:
    """Invoke a function as its schedule does; return what it counted."""
    counts: dict[str, int] = import_module(f"handlers.{module}").handler({}, lambda_context())
    return counts
