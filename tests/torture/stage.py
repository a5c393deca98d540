"""One mailbox with its mirror for many syncs, set back to its beginning for each."""

from contextlib import ExitStack
from typing import Any, Self

from pg8000.native import Connection

from localdev.simulators.mailbox import Mailbox
from localdev.simulators.service import SharedSimulatorState
from tests.support.clock import let_time_pass
from tests.support.snapshot import Snapshot, snapshot
from tests.torture.changes import fill
from tests.torture.orders import Ending
from tests.torture.world import GRAPH, Mirror, World

FEW, MANY = 15, 45


class Stage:
    """A context manager. `tables` is a connection to the mirror's database, past the product."""

    mirror: Mirror
    tables: Connection

    def __init__(
        self, world: World, messages: int, name: str = "history", kind: str = GRAPH
    ) -> None:
        self._world = world
        self._messages = messages
        self._kind = kind
        self._name = f"{name}-{messages}-{kind}".replace(" ", "-")
        self._open = ExitStack()

    def __enter__(self) -> Self:
        mailbox = self._world.simulators.find_or_create_mailbox(f"{self._name}@example.org")
        fill(mailbox, messages=self._messages)
        with ExitStack() as opened:
            self._open = opened
            self.mirror = opened.enter_context(self._world.connected(mailbox, self._kind))
            self.tables = opened.enter_context(self._world.opened(self.mirror))
            self._prepare()
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def service(self) -> SharedSimulatorState:
        return self._world.simulators.service

    @property
    def mailbox(self) -> Mailbox:
        return self.mirror.mailbox

    def set_back(self, *, is_synced: bool) -> None:
        """To a mailbox that was just connected, or just synced for the first time."""
        (self._after_first_sync if is_synced else self._before_first_sync).restore()

    def sync(self, **fields: Any) -> Ending:
        """One sync; `fields` are those of an Order. If it was killed, two minutes pass: Step
        Functions does not know its execution, and a run is closed then only when it is stale."""
        ending = self._world.sync(self.mirror, **fields)
        if ending.outcome == "killed":
            self.tables.run(
                "UPDATE mailsync.sync_runs SET heartbeat_at = heartbeat_at - interval '2 min'"
            )
        return ending

    def limit_gmail_pages(self, largest_page: int) -> None:
        self._world.simulators.gmail.set_behaviour_switches(largest_page=largest_page)

    def pass_time(self, hours: float) -> None:
        let_time_pass(self.tables.run, hours)

    def _prepare(self) -> None:
        self._before_first_sync = self._snapshot()
        self.sync(is_forked=False)
        self._after_first_sync = self._snapshot()

    def _snapshot(self) -> Snapshot:
        return self._open.enter_context(snapshot(self.tables, self._world.simulators))
