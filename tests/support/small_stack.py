"""The whole product as `make dev` starts it, small, on free ports and in a folder of its own."""

import os
from collections.abc import Mapping
from pathlib import Path

from localdev.options import Options
from localdev.stack import Stack

MESSAGES = 150


def small_stack(
    folder: Path,
    *,
    cors_origins: tuple[str, ...] = (),
    database_port: int | None = None,
    provider: str = "graph",
    mbox: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Stack:
    """Not started yet; nothing in it happens by the clock, and its waits are short."""
    return Stack(
        Options(
            data=folder,
            api_port=0,
            aws_port=0,
            dashboard_port=0,
            imap_port=0,
            simulated_provider=provider,
            mbox=mbox,
            messages=MESSAGES,
            schedule=False,
            time_scale=0.2,
            cors_origins=cors_origins,
            database_port=database_port,
            environment=os.environ if environment is None else environment,
        )
    )
