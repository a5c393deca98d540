"""What is asked of a process that runs syncs, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_AT_ONCE = 4
"""As many as the largest Map of the workflow works on."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One sync. `fatal` is the moment at which a process is dead, None for none: `execution` ends
    all of it, `function` only the function, which the state machine then tries again, and `check`
    the function that looks at mailboxes which are due, as well as what it hands over to.

    `is_forked`: each process that may die is one of its own, and is killed. `console` starts the
    execution past the trigger, as a person may; `is_full`: a person asks for a full sync.
    `folder_order` seeds the order in which folders are worked on, 0 keeps it. `at_once`: several
    functions work on folders at the same time, in processes of their own, and one of them dies.
    `recovers`: the schedule first looks for runs whose execution is dead. `turns`: a mailbox of
    more folders is large, so that they take turns. `max_events`: an execution hands its run over
    when its history is longer, and a function stores one page. `sliced_from`: a folder of more
    messages is read in slices of three. `provider_file`: the simulators' memory; the `states` of
    the ending are noted.
    """

    environment: dict[str, str]
    account_id: str
    fatal: int | None = None
    dies: str = "execution"
    is_forked: bool = True
    console: bool = False
    is_full: bool = False
    folder_order: int = 0
    at_once: bool = False
    recovers: bool = False
    turns: int | None = None
    max_events: int | None = None
    sliced_from: int | None = None
    provider_file: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """`outcome` is `completed`, `killed`, the name of the error with which a sync failed, or what a
    check came to; `moments` is how many there were, `states` the first moment of each state of what
    outlives a process, and `waited_s` how long the workflow waited."""

    outcome: str
    moments: int = 0
    states: Sequence[int] = ()
    cause: str = ""
    waited_s: float = 0.0
