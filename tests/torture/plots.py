"""What a history consists of, and how one is drawn at random."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from localdev.simulators.faults import Fault, FaultRule
from tests.torture.crash_points import DEATHS
from tests.torture.gmail_changes import GMAIL_OWNER_KINDS
from tests.torture.gmail_lies import GMAIL_FAULTS, GMAIL_LIES, GmailLie
from tests.torture.imap_lies import IMAP_FAULTS, IMAP_LIES, ImapLie
from tests.torture.lies import CONSISTENT, LIES, Lie
from tests.torture.lying_toy import TOY_LIES
from tests.torture.random_changes import IMAP_CHANGES, KINDS, LABEL_KINDS, LISTED_CHANGES, Change
from tests.torture.stage import FEW

FAULTS = {
    "throttled": Fault(status=429, code="TooManyRequests", retry_after=0.1),
    "throttled, no pause named": Fault(status=429, code="TooManyRequests"),
    "throttled for long": Fault(status=429, code="TooManyRequests", retry_after=60),
    "empty 503": Fault(status=503, body=""),
    "503 of a proxy": Fault(status=503, html=True),
    "504": Fault(status=504, code="UnknownError"),
    "closed before the answer": Fault(cut="before answer"),
    "closed within the answer": Fault(cut="mid body"),
    "half a document": Fault(truncate_json=True),
    "link expired": Fault(status=410, code="SyncStateNotFound"),
    "everything twice": Fault(page="duplicate"),
    "same link": Fault(page="same link"),
    "empty page": Fault(page="empty"),
}
ODDITIES: Mapping[str, Mapping[str, Any]] = {
    "as observed": {},
    "old changes are told again": {"replayed_changes": 3},
    "returns are told": {"readd_is_lost": False},
    "arrivals are not told": {"move_in_reported": False},
    "read states come whole": {"read_state_is_partial": False},
    "only the newest link is good": {"generations_kept": 1},
    "purged mail cannot be read": {"purged_stay_readable": False},
    "folders are read level by level": {"flat_folder_delta": False},
    "no delta": {"has_delta": False},
}
"""What the provider does otherwise than usual, by the names of the simulator's switches."""

MAX_EVENTS = 130
"""Enough for an execution that only fails: each attempt at a state counts as events."""


@dataclass(frozen=True)
class Mishap:
    """The `nth` request and those after it meet the fault, so many `times`."""

    fault: str
    nth: int
    times: int

    def rule(self) -> FaultRule:
        fault = {**FAULTS, **IMAP_FAULTS, **GMAIL_FAULTS}[self.fault]
        path = "/messages/delta" if fault.page else ""
        if fault.status == 410:
            path = "/messages/delta.*token"
        return FaultRule(fault=fault, nth=self.nth, times=self.times, path=path)


@dataclass(frozen=True)
class Round:
    """Time that passes, changes, then one sync; `meanwhile` are changes when so many requests were
    served. `lies` are told from this sync on."""

    before: tuple[Change, ...] = ()
    meanwhile: Mapping[int, Change] | None = None
    mishaps: tuple[Mishap, ...] = ()
    lies: tuple[Lie, ...] = ()
    oddity: str = "as observed"
    hours: float = 0.1
    page: int = 50
    folder_order: int = 0
    is_full: bool = False
    fatal: int | None = None
    dies: str = DEATHS[0]
    at_once: bool = False


@dataclass(frozen=True)
class History:
    """`is_large`: the mailbox holds enough messages for most of them to be many. `is_synced`: it
    begins after the first sync, not before it. `turns`: so many folders are what a sync reads every
    time; in a mailbox of more they take turns. `max_events`: after so many, an execution hands over
    its run; None: the product's own number. `sliced_from`: see `Order`."""

    rounds: tuple[Round, ...]
    is_large: bool = False
    is_synced: bool = True
    turns: int | None = None
    max_events: int | None = None
    sliced_from: int | None = None


def histories() -> st.SearchStrategy[History]:
    return st.builds(
        History,
        rounds=st.integers(1, 4).flatmap(
            lambda length: st.tuples(*(_rounds() for _ in range(length)))
        ),
        is_large=st.integers(0, 5).map(lambda number: number == 1),
        is_synced=st.integers(0, 4).map(bool),
        turns=st.sampled_from((None, None, None, 4)),
        max_events=st.sampled_from((None, None, MAX_EVENTS)),
        sliced_from=st.sampled_from((None, 3, 6)),
    )


def toy_histories(kind: str) -> st.SearchStrategy[History]:
    """Of the toy provider of this kind, whose folders are labels."""
    kinds = LISTED_CHANGES if kind == "listing" else LABEL_KINDS
    return st.builds(
        History,
        rounds=st.integers(1, 4).flatmap(
            lambda length: st.tuples(*(_toy_rounds(kinds) for _ in range(length)))
        ),
        is_synced=st.integers(0, 4).map(bool),
    )


def _toy_rounds(kinds: Sequence[str]) -> st.SearchStrategy[Round]:
    number = st.integers(0, 2 * FEW)
    changes = st.builds(Change, st.sampled_from(kinds), number, number)
    lies = st.builds(Lie, st.sampled_from(TOY_LIES), syncs=st.sampled_from((1, 1, 2, 4)))
    return st.builds(
        Round,
        before=st.lists(changes, max_size=8).map(tuple),
        meanwhile=st.just({}) | st.dictionaries(st.integers(1, 8), changes, max_size=2),
        lies=st.just(()) | st.lists(lies, max_size=2).map(tuple),
        hours=st.sampled_from((0.1, 0.1, 0.1, 0.5, 2.1, 25)),
        page=st.sampled_from((50, 7, 3, 1)),
        folder_order=st.integers(0, 9),
        is_full=st.integers(0, 9).map(lambda number: number == 1),
        fatal=st.none() | st.none() | st.integers(1, 500),
        dies=st.sampled_from(DEATHS),
        at_once=st.integers(0, 9).map(lambda number: number == 1),
    )


def imap_histories(kinds: Sequence[str] = IMAP_CHANGES) -> st.SearchStrategy[History]:
    """Of an IMAP server. kinds: what may happen in the mailbox."""
    return st.builds(
        History,
        rounds=st.integers(1, 4).flatmap(
            lambda length: st.tuples(*(_imap_rounds(kinds) for _ in range(length)))
        ),
        is_synced=st.integers(0, 4).map(bool),
        turns=st.sampled_from((None, None, None, 4)),
        max_events=st.sampled_from((None, None, None, MAX_EVENTS)),
    )


def gmail_histories() -> st.SearchStrategy[History]:
    """Of the Gmail API."""
    return st.builds(
        History,
        rounds=st.integers(1, 4).flatmap(
            lambda length: st.tuples(*(_gmail_rounds() for _ in range(length)))
        ),
        is_synced=st.integers(0, 4).map(bool),
        max_events=st.sampled_from((None, None, None, MAX_EVENTS)),
    )


def _gmail_rounds() -> st.SearchStrategy[Round]:
    number = st.integers(0, 2 * FEW)
    changes = st.builds(Change, st.sampled_from(GMAIL_OWNER_KINDS), number, number)
    mishaps = st.builds(
        Mishap,
        st.sampled_from(sorted(GMAIL_FAULTS)),
        st.integers(1, 40),
        st.sampled_from((1, 1, 2, 3, 40)),
    )
    lies = st.builds(
        GmailLie,
        name=st.sampled_from(sorted(GMAIL_LIES)),
        nth=st.sampled_from((1, 1, 1, 2, 3, 5, 8)),
        times=st.sampled_from((None, None, 1, 2)),
        syncs=st.sampled_from((1, 1, 2, 4)),
        about=number | number | st.none(),
    )
    return st.builds(
        Round,
        before=st.lists(changes, max_size=8).map(tuple),
        meanwhile=st.just({}) | st.dictionaries(st.integers(1, 40), changes, max_size=2),
        mishaps=st.just(()) | st.just(()) | st.lists(mishaps, max_size=2).map(tuple),
        lies=st.just(()) | st.lists(lies, max_size=3).map(tuple),
        hours=st.sampled_from((0.1, 0.1, 0.1, 0.5, 2.1, 25)),
        page=st.sampled_from((50, 50, 7, 3)),
        is_full=st.integers(0, 9).map(lambda number: number == 1),
        fatal=st.none() | st.none() | st.integers(1, 500),
        dies=st.sampled_from(DEATHS),
        at_once=st.integers(0, 19).map(lambda number: number == 1),
    )


def _imap_rounds(kinds: Sequence[str]) -> st.SearchStrategy[Round]:
    number = st.integers(0, 2 * FEW)
    changes = st.builds(Change, st.sampled_from(kinds), number, number)
    mishaps = st.builds(
        Mishap,
        st.sampled_from(sorted(IMAP_FAULTS)),
        st.integers(1, 40),
        st.sampled_from((1, 1, 2, 3, 40)),
    )
    lies = st.builds(
        ImapLie,
        name=st.sampled_from(sorted(IMAP_LIES)),
        nth=st.sampled_from((1, 1, 1, 2, 3, 5, 8, 13)),
        times=st.sampled_from((None, None, 1, 2)),
        syncs=st.sampled_from((1, 1, 2, 4)),
        about=number | number | st.none(),
    )
    return st.builds(
        Round,
        before=st.lists(changes, max_size=6).map(tuple),
        meanwhile=st.just({}) | st.dictionaries(st.integers(1, 40), changes, max_size=2),
        mishaps=st.just(()) | st.just(()) | st.lists(mishaps, max_size=2).map(tuple),
        lies=st.just(()) | st.lists(lies, max_size=3).map(tuple),
        hours=st.sampled_from((0.1, 0.1, 0.1, 0.5, 2.1, 25)),
        folder_order=st.integers(0, 9),
        is_full=st.integers(0, 9).map(lambda number: number == 1),
        fatal=st.none() | st.none() | st.integers(1, 500),
        dies=st.sampled_from(DEATHS),
        at_once=st.integers(0, 19).map(lambda number: number == 1),
    )


def _rounds() -> st.SearchStrategy[Round]:
    # Few enough that a history comes back to the same message and folder.
    number = st.integers(0, 2 * FEW)
    changes = st.builds(Change, st.sampled_from(KINDS), number, number)
    mishaps = st.builds(
        Mishap, st.sampled_from(sorted(FAULTS)), st.integers(1, 40), st.sampled_from((1, 2, 3, 40))
    )
    return st.builds(
        Round,
        before=st.lists(changes, max_size=6).map(tuple),
        meanwhile=st.just({})
        | st.just({})
        | st.dictionaries(st.integers(1, 60), changes, max_size=2),
        mishaps=st.just(()) | st.lists(mishaps, max_size=2).map(tuple),
        lies=st.sampled_from((0, 1, 1, 2, 2, 3)).flatmap(
            lambda several: st.tuples(*(_lies(number) for _ in range(several)))
        ),
        oddity=st.just("as observed") | st.sampled_from(sorted(ODDITIES)),
        hours=st.sampled_from((0.1, 0.1, 0.1, 0.5, 2.1, 25)),
        page=st.sampled_from((50, 7, 3, 1)),
        folder_order=st.integers(0, 9),
        is_full=st.integers(0, 9).map(lambda number: number == 1),
        fatal=st.none() | st.none() | st.integers(1, 700),
        dies=st.sampled_from(DEATHS),
        at_once=st.integers(0, 19).map(lambda number: number == 1),
    )


def _lies(number: st.SearchStrategy[int]) -> st.SearchStrategy[Lie]:
    """Answers that agree with each other throughout a sync, or any others at any moment."""
    syncs, about = st.sampled_from((1, 1, 2, 4)), number | number | st.none()
    agreeing = st.builds(Lie, name=st.sampled_from(sorted(CONSISTENT)), syncs=syncs, about=about)
    single = st.builds(
        Lie,
        name=st.sampled_from(sorted(LIES)),
        nth=st.sampled_from((1, 1, 1, 2, 3, 5, 8, 13)),
        times=st.sampled_from((None, None, 1, 2)),
        syncs=syncs,
        about=about,
        in_batch=st.sampled_from((None, None, None, True, False)),
    )
    return single | agreeing
