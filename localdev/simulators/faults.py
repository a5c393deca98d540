"""Choose the faults that the simulators inject. The rules are tried in order; the first rule that
matches a request injects its fault.

Graph and Gmail inject every kind of fault but `imap`; Gmail's forgeries are in `gmail.corruption`.
IMAP matches rules by the command, as `method`, and by the open folder, the command and its
arguments, as `path`: "INBOX UID FETCH 1:* (FLAGS)". The token endpoint of the identity platform
injects only faults with a `status`; their `code` is OAuth's error and their `message` starts with
the AADSTS number, as "AADSTS50196: ...".
"""

import math
import random
import re
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

PageForgery = Literal[
    "empty",
    "ever empty",
    "same link",
    "no link",
    "duplicate",
    "nothing",
    "less",
    "partial",
    "no removals",
    "no changes",
    "removed",
    "miscounted",
    "uncounted",
    "old",
    "renumbered",
    "earlier changes",
]
ImapStatus = Literal["NO", "BAD", "BYE"]
ConnectionCut = Literal["before answer", "mid body"]
UNKNOWN_ERROR = "UnknownError"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault to inject: an error response in the place of the right response, or a change of the
    right response.

    With `status` the request is rejected: with Graph's error body, or with `body` unchanged, such
    as HTML, or "" for the empty 503. Without `status` the right response is computed and then
    changed: `cut` closes the connection, `truncate_json` sends half of the JSON as a complete
    response, and `page` names a forgery of the page:

    - `empty`: no items, and a link to this page
    - `ever empty`: no items, and a new link to this page each time
    - `same link`: the items, and a link to this page
    - `no link`: the items without the link to the next page; a count stays as it was
    - `duplicate`: every item twice
    - `nothing`: a complete response without items, and 0 as its count; in delta with the
      `deltaLink` of the round's end, so that all changes until now are lost
    - `less`: some items are missing, and not counted
    - `partial`: the items have only id and etag
    - `no removals`, `no changes`: delta omits these and never reports them again
    - `removed`: delta reports new and changed items as removed
    - `miscounted`: folders count `off_by` more messages and unread messages
    - `uncounted`: folders have no counts
    - `old`: the oldest stored response to such a request; see `Behaviour.answers_kept`

    A single object is forged like an item. `about` contains the ids of the items to forge. Without
    `about`, `less` omits every second item, and the other forgeries change all items.

    IMAP rejects a command with `imap`, with `code` in brackets if it is given, and never answers if
    `delay_s` is long. `cut` and these forgeries change its responses; `about` has folder names or
    UIDs: `empty` and `nothing`, `less`, `duplicate`, `partial` (FETCH has only UIDs, STATUS has no
    items), `no removals` (VANISHED), `no changes` (FETCH), `removed` (VANISHED for what FETCH
    returns), `miscounted`, `uncounted` (no UIDNEXT, UIDVALIDITY and HIGHESTMODSEQ), and two of its
    own: `renumbered` (UIDVALIDITY is higher by `off_by`) and `earlier changes` (HIGHESTMODSEQ is
    lower by `off_by`).
    """

    status: int | None = None
    imap: ImapStatus | None = None
    code: str = UNKNOWN_ERROR
    message: str = ""
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    html: bool = False
    delay_s: float = 0
    cut: ConnectionCut | None = None
    truncate_json: bool = False
    page: PageForgery | None = None
    about: Collection[str] = ()
    off_by: int = 1

    def __post_init__(self) -> None:
        known = (
            self.page in (None, *get_args(PageForgery))
            and self.cut in (None, *get_args(ConnectionCut))
            and self.imap in (None, *get_args(ImapStatus))
        )
        if not known:
            raise ValueError(
                f"no such fault: page={self.page!r} cut={self.cut!r} imap={self.imap!r}"
            )


@dataclass(slots=True, kw_only=True)
class FaultRule:
    """A rule that says which requests get a fault.

    path: regular expression, searched in the decoded path and query.
    in_batch: True matches only items of a batch, False only other requests. None: both.
    nth: the first n-1 matching requests get no fault.
    times: number of requests that get the fault. None: no limit.
    rate: share of the matching requests that get the fault, from 0 to 1.
    lasts_s: seconds after which the rule ends.
    """

    fault: Fault
    method: str | None = None
    path: str = ""
    in_batch: bool | None = None
    nth: int = 1
    times: int | None = 1
    rate: float = 1
    lasts_s: float = math.inf
    made_at: float = field(default_factory=time.monotonic)
    matched_count: int = 0
    injected_count: int = 0

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FaultRule":
        """Make a rule from JSON: `{"match": {method, path, in_batch, nth}, "times", "rate",
        "lasts_s", "fault"}`.

        Raises:
            TypeError, ValueError: the JSON has unknown or malformed members.
        """
        rest = {name: value for name, value in document.items() if name not in ("match", "fault")}
        match = document.get("match", {})
        return cls(fault=Fault(**document["fault"]), **match, **rest)

    def matches(self, method: str, path: str, *, in_batch: bool) -> bool:
        if time.monotonic() > self.made_at + self.lasts_s or self.in_batch not in (None, in_batch):
            return False
        return self.method in (None, method) and re.search(self.path, path) is not None

    def should_inject(self, chance: float) -> bool:
        """Count a matching request; return whether it gets the fault.

        chance: a random number from 0 to 1; a request gets the fault if it is below `rate`.
        """
        self.matched_count += 1
        if self.matched_count < self.nth or (
            self.times is not None and self.injected_count >= self.times
        ):
            return False
        if chance >= self.rate:
            return False
        self.injected_count += 1
        return True


class FaultScript:
    """The list of fault rules of one simulated server. Thread-safe. The same seed and the same
    order of requests give the same faults."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._rules: list[FaultRule] = []

    def add_rules(self, *rules: FaultRule) -> None:
        with self._lock:
            self._rules += rules

    def remove_all_rules(self) -> None:
        with self._lock:
            self._rules = []

    def next_fault(self, method: str, path: str, *, in_batch: bool = False) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.matches(method, path, in_batch=in_batch) and rule.should_inject(
                    self._random.random()
                ):
                    return rule.fault
        return None
