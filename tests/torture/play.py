"""Plays one history: checks the law after each sync, and leaves the end to the schedule."""

import sys
from collections import Counter
from dataclasses import astuple
from itertools import count
from typing import Any

from localdev.simulators.behaviour import MicrosoftBehaviour
from localdev.simulators.faults import Fault, FaultScript
from localdev.simulators.mailbox import Mailbox
from mailsync.decisions.due import SUSPICIOUS_REMOVAL_ERROR_NAME
from tests.support.comparison import ProviderForm, divergences
from tests.support.toy_provider import KINDS as TOY_KINDS
from tests.torture.law import Law, Seen, Sync, read_tables
from tests.torture.lies import Lie, Told
from tests.torture.plots import ODDITIES, History, Round
from tests.torture.stage import Stage

LIES_LAST_H = 1.0
CONFIRMED_H, DAY_H, COMPARED_H = 2.1, 24.1, 8 * 24.0
LEASE_H, TICK_H = 0.3, 0.02
_HANDED_OVER = "SELECT count(execution_name) FROM mailsync.sync_runs"
MAX_TICKS = 12
"""Of the schedule, until an account is settled."""


class _Script(FaultScript):
    """Faults and lies, and changes of the mailbox while a sync is under way."""

    def __init__(self, mailbox: Mailbox, form: ProviderForm, plan: Round, lies: list[Lie]) -> None:
        super().__init__()
        rules = [rule for lie in lies for rule in lie.rules(mailbox, form)]
        self.add_rules(*(each.rule() for each in plan.mishaps), *rules)
        self._wrong = [rule.fault for rule in rules]
        self._mailbox = mailbox
        self._meanwhile = dict(plan.meanwhile or {})
        self._requests = count(1)
        self.told: list[tuple[str, Fault]] = []
        self.has_changed = False
        self.reads_folders = True

    def of_toy(self, plan: Round, lies: list[Lie]) -> dict[str, Any]:
        """What the toy provider does in the sync. All that it is to say counts as said."""
        self.told += [("toy", Fault(page="less")) for _ in lies]
        self.has_changed = bool(plan.meanwhile)
        meanwhile = {at: astuple(change) for at, change in (plan.meanwhile or {}).items()}
        return {"lies": [each.name for each in lies], "meanwhile": meanwhile, "page": plan.page}

    def take_fault_for_request(
        self, method: str, path: str, *, in_batch: bool = False
    ) -> Fault | None:
        if change := self._meanwhile.pop(next(self._requests), None):
            change.apply(self._mailbox)
            self.has_changed = True
        fault = super().take_fault_for_request(method, path, in_batch=in_batch)
        if fault and any(fault is each for each in self._wrong):
            self.told.append((path, fault))
        if fault and "/mailFolders/delta" in path:
            self.reads_folders = False
        return fault


class Play:
    """`events` counts what happens."""

    def __init__(self, stage: Stage, plot: History, events: Counter[str]) -> None:
        self._events = events
        self._stage = stage
        self._plot = plot
        self._mailbox = stage.mailbox
        self._service = stage.service
        self._law = Law(self._mailbox, stage.mirror.form)
        self._lies: list[tuple[Lie, int]] = []
        self._lied_h: float | None = None
        self._has_lied_in_full = False

    def run(self) -> None:
        """Raises AssertionError with what is against the law."""
        self._stage.set_back(is_synced=self._plot.is_synced)
        for plan in self._plot.rounds:
            self._play(plan)
        [[handed_over]] = self._stage.tables.run(_HANDED_OVER)
        self._events["runs handed over"] += handed_over
        self._service.faults = FaultScript()
        self._switch()
        self._recover()

    def _play(self, plan: Round) -> None:
        self._pass(plan.hours)
        for change in plan.before:
            change.apply(self._mailbox)
        self._stage.limit_gmail_pages(plan.page)
        self._switch(largest_page=plan.page, **ODDITIES[plan.oddity])
        lies = self._lies_of(plan)
        script = _Script(self._mailbox, self._stage.mirror.form, plan, lies)
        self._service.faults = script
        is_toy = self._stage.mirror.kind in TOY_KINDS
        fields = {
            "fatal": plan.fatal,
            "dies": plan.dies,
            "folder_order": plan.folder_order,
            "is_full": plan.is_full,
            "at_once": plan.at_once,
            "max_events": self._plot.max_events,
            "sliced_from": self._plot.sliced_from,
            "toy_round": script.of_toy(plan, lies) if is_toy else None,
        }
        self._sync(script, **fields, is_forked=plan.at_once and plan.dies == "function")

    def _lies_of(self, plan: Round) -> list[Lie]:
        """Those that go on, and those that begin; none an hour after the first one."""
        if self._lied_h is None and plan.lies:
            self._lied_h = 0.0
        if self._lied_h is None or self._lied_h > LIES_LAST_H:
            return []
        told = [*self._lies, *((lie, lie.syncs) for lie in plan.lies)]
        self._lies = [(lie, left - 1) for lie, left in told if left > 1]
        return [lie for lie, _ in told]

    def _sync(self, script: _Script | None = None, **fields: Any) -> Seen:
        before = self._look()
        ending = self._stage.sync(turns=self._plot.turns, **fields)
        after = self._look()
        told = Told(tuple(script.told) if script else ())
        is_still = script is None or not script.has_changed
        switches = self._service.behaviour
        reads_folders = script is None or script.reads_folders
        is_flat = reads_folders and switches.flat_folder_delta and switches.has_delta
        sync = Sync(before, after, told, ending.waited_s, is_still, is_flat)
        self._count(sync, ending.outcome)
        wrong = self._law.broken(sync)
        assert not wrong, "\n".join([f"after a sync that ended as {ending.outcome}:", *wrong])
        return after

    def _count(self, sync: Sync, outcome: str) -> None:
        self._events["syncs"] += 1
        self._events["syncs that died"] += outcome == "killed"
        self._events["runs completed"] += sync.has_completed
        self._events["wrong answers"] += len(sync.told.lies)
        self._events["syncs with wrong answers"] += bool(sync.told)
        hidden = {key for key, row in sync.before.rows.items() if row.is_hidden}
        now = sync.after.rows
        self._events["rows shown again"] += sum(
            key in now and not now[key].is_hidden for key in hidden
        )
        self._events["rows deleted"] += len(hidden - now.keys())
        self._has_lied_in_full |= any(fault.page for _, fault in sync.told.lies)

    def _recover(self) -> None:
        """Nothing but the schedule and time; a comparison of ids only where lies were told that
        no count can show."""
        wrong: list[str] = []
        for name, waits in (
            ("at once", ()),
            ("after 2 h", (CONFIRMED_H, CONFIRMED_H)),
            ("after a day", (DAY_H, CONFIRMED_H, DAY_H)),
            ("after a week", (COMPARED_H, CONFIRMED_H, DAY_H)),
        ):
            if name == "after a week":
                assert self._has_lied_in_full, "\n".join(wrong)
            self._settle()
            for hours in waits:
                self._pass(hours)
                self._settle()
            wrong = self._wrong()
            if not wrong:
                self._events[f"exact {name}"] += 1
                return
        raise AssertionError("\n".join(["a week later:", *wrong]))

    def _settle(self) -> None:
        """Syncs of the schedule, each when it is due, until one ends well."""
        for _ in range(MAX_TICKS):
            seen = self._look()
            waits = LEASE_H if seen.is_held else TICK_H
            self._pass(max(waits, seen.due_in_s / 3600 + 0.001))
            after = self._sync(dies="check", recovers=True, is_forked=False)
            if after.sync_status == "completed" and after.last_error in (
                None,
                SUSPICIOUS_REMOVAL_ERROR_NAME,
            ):
                return
        raise AssertionError(f"{MAX_TICKS} syncs end as {after.sync_status}: {after.last_error}")

    def _wrong(self) -> list[str]:
        mirror = self._stage.mirror
        return divergences(
            self._stage.tables, mirror.account_id, mirror.mailbox, mirror.form, is_confirmed=True
        )

    def _look(self) -> Seen:
        return read_tables(self._stage.tables, self._stage.mirror.account_id)

    def _pass(self, hours: float) -> None:
        if hours > 0:
            self._stage.pass_time(hours)
            if self._lied_h is not None:
                self._lied_h += hours

    def _switch(self, **switches: Any) -> None:
        self._service.behaviour = MicrosoftBehaviour(
            requests_per_window=sys.maxsize, answers_kept=3, **switches
        )
