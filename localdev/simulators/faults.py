"""Choose the faults that the simulators inject. The simulators try the fault rules in order. The
first rule that matches a request, and that its `nth`, `times` and `rate` allow, injects its fault.

Graph and Gmail inject every kind of fault but `imap`; Gmail's forgeries are in `gmail.corruption`.
For the IMAP server, a rule's `method` is compared with the command, such as "UID FETCH". A rule's
`path` is searched in a text of the open folder, the command and its arguments, such as
"INBOX UID FETCH 1:* (FLAGS)".

The identity platforms of Microsoft and Google share a second list of fault rules. It applies to
Microsoft's token endpoint and to all endpoints of Google except the sign-in page. There a fault
with `cut` closes the connection without a response. Every other fault becomes an error response
with `status` (None: 503). Its body is `body`, or else OAuth's JSON with `code` as the error and
`message` as the description. `retry_after` and `headers` add headers. All other fields have no
effect. For Microsoft, `message` starts with the AADSTS number, as "AADSTS50196: ...".
"""

import math
import random
import re
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

ResponseForgeryKind = Literal[
    "empty",
    "ever empty",
    "same link",
    "ever same",
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
ImapErrorStatus = Literal["NO", "BAD", "BYE"]
ConnectionCutPoint = Literal["before answer", "mid body"]
DEFAULT_FAULT_CODE = "UnknownError"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault to inject: an error response in place of the right response, or a change of the
    right response.

    status: HTTP status of the error response. None: the server computes the right response, and the
        fields `body`, `html`, `cut`, `truncate_json` and `page` change that response.
    imap: status with which the IMAP server rejects the command. None: it runs the command.
    code, message: code and text of the error.
    retry_after: seconds in the error's header `Retry-After`; Gmail names the time in the message
        instead. None: no such header.
    headers: further headers of the error response.
    body: body that replaces that of the error response or of the right response, such as "" for an
        empty 503. None: the body stays.
    html: whether an HTML page with `message` replaces the body.
    delay_s: seconds before the response. A delay beyond the client's time-out simulates a server
        that never responds.
    cut: when the server closes the connection: before the response, or in the middle of the body.
    truncate_json: whether the server sends half of the body as a complete response.
    page: forgery of the response, from the list below. None: no forgery.
    about: ids of the items to forge; for IMAP folder names or UIDs. Empty: `less` omits every
        second item, and the other forgeries change all items.
    off_by: number that the forgeries `miscounted`, `renumbered` and `earlier changes` add or
        subtract.

    A forgery changes the items of a list, or a single object in the same way:

    - `empty`: the page has no items, and a link to the same page
    - `ever empty`: the page has no items, and a new link to the same page each time
    - `same link`: the page has its items, and a link to the same page
    - `ever same`: the page has its items, and a new link to the same page each time
    - `no link`: the page has its items, and no link to the next page; its count is unchanged
    - `duplicate`: the page has every item twice
    - `nothing`: the response is complete, without items and with the count 0. In delta the response
        has the `deltaLink` of the round's end, so that the client misses all changes until now
    - `less`: the page omits some items, and does not count them
    - `partial`: Graph's items have only ids and etag, and Gmail's items only ids and label ids; in
        IMAP, FETCH has only UIDs and STATUS no items
    - `no removals`: delta omits removals, and never reports them later; IMAP omits VANISHED
    - `no changes`: delta omits other changes, and never reports them later; IMAP omits FETCH
    - `removed`: delta reports new and changed items as removed; IMAP reports VANISHED for FETCH
    - `miscounted`: folders count `off_by` more messages and unread messages
    - `uncounted`: folders have no counts; IMAP sends no UIDNEXT, UIDVALIDITY and HIGHESTMODSEQ
    - `old`: Graph sends the oldest stored response to this kind of request; see
        `MicrosoftBehaviour.answers_kept`
    - `renumbered`: IMAP's UIDVALIDITY or Gmail's historyId is higher by `off_by`
    - `earlier changes`: IMAP's HIGHESTMODSEQ or Gmail's historyId is lower by `off_by`

    IMAP has no pages: `empty` and `nothing` are the same, and the forgeries of links and `old` do
    nothing.
    """

    status: int | None = None
    imap: ImapErrorStatus | None = None
    code: str = DEFAULT_FAULT_CODE
    message: str = ""
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    html: bool = False
    delay_s: float = 0
    cut: ConnectionCutPoint | None = None
    truncate_json: bool = False
    page: ResponseForgeryKind | None = None
    about: Collection[str] = ()
    off_by: int = 1

    def __post_init__(self) -> None:
        known = (
            self.page in (None, *get_args(ResponseForgeryKind))
            and self.cut in (None, *get_args(ConnectionCutPoint))
            and self.imap in (None, *get_args(ImapErrorStatus))
        )
        if not known:
            raise ValueError(
                f"no such fault: page={self.page!r} cut={self.cut!r} imap={self.imap!r}"
            )


@dataclass(slots=True, kw_only=True)
class FaultRule:
    """A rule that says which requests get a fault.

    method: HTTP method or IMAP command that the rule matches. None: all.
    path: regular expression that is searched in the decoded path and query of the request, or in
        the text of an IMAP command (see the module's docstring).
    in_batch: True matches only items of a batch, False only other requests. None: both.
    nth: number of the first matching request that can get the fault, from 1 on.
    times: number of requests that get the fault. None: no limit.
    rate: probability, from 0 to 1, that a matching request gets the fault.
    lasts_s: seconds after `created_at_monotonic_s` at which the rule ends.
    created_at_monotonic_s: time at which the rule was made, in seconds of the monotonic clock.
    matched_count, injected_count: numbers of requests that matched, and that got the fault.
    """

    fault: Fault
    method: str | None = None
    path: str = ""
    in_batch: bool | None = None
    nth: int = 1
    times: int | None = 1
    rate: float = 1
    lasts_s: float = math.inf
    created_at_monotonic_s: float = field(default_factory=time.monotonic)
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

    def matches_request(self, method: str, path: str, *, in_batch: bool) -> bool:
        if time.monotonic() > self.created_at_monotonic_s + self.lasts_s or self.in_batch not in (
            None,
            in_batch,
        ):
            return False
        return self.method in (None, method) and re.search(self.path, path) is not None

    def should_inject(self, chance: float) -> bool:
        """Count a matching request; return whether it gets the fault.

        chance: a random number from 0 to 1. If the number is below `rate`, the request gets the
            fault.
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

    def take_fault_for_request(
        self, method: str, path: str, *, in_batch: bool = False
    ) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.matches_request(method, path, in_batch=in_batch) and rule.should_inject(
                    self._random.random()
                ):
                    return rule.fault
        return None
