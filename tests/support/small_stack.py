"""The whole product as `make dev` starts it, small, on free ports and in a folder of its own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from moto.core.base_backend import BackendDict

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


@contextmanager
def beside_other_stacks() -> Iterator[None]:
    """Keep what another stack of this process has in moto's global variables, for a stack that
    begins and ends within the block: its start deletes all of it."""
    kept = [
        (service, account, region, backend.__dict__)
        for service in list(BackendDict._instances)  # type: ignore[misc]
        for account, regions in service.items()
        for region, backend in regions.items()
    ]
    yield
    for service, account, region, state in kept:
        service[account][region].__dict__ = state
