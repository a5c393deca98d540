"""Count quota units of the simulated Gmail API, and refuse requests beyond the limits.

The quota is counted in fixed minutes, as the `window_start_time` of Google's refusals shows.
Sources: Gmail API documentation, "Usage limits"; captures of
allodia-eu/email-calendar-sync-engine.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.errors import GmailError, build_error_info_detail

_PROJECT_NUMBER = "123456789012"


@dataclass(slots=True)
class _Window:
    """The units that were used in the present minute."""

    began: float = 0
    units: int = 0


@dataclass(slots=True)
class QuotaCounts:
    """Counts since the last reset. The outer key of every field is a user id.

    units_by_user: number of quota units of accepted requests. Units of refused requests are
        included if `GmailBehaviour.are_refusals_charged`.
    request_counts_by_user: number of accepted requests of each API method, such as `messages.get`.
    refusal_counts_by_user: number of refused requests for each limit: `user`, `project` or
        `concurrency`.
    peak_requests_in_flight_by_user: largest number of concurrent requests of the user.
    """

    units_by_user: Counter[str] = field(default_factory=Counter)
    request_counts_by_user: dict[str, Counter[str]] = field(default_factory=dict)
    refusal_counts_by_user: dict[str, Counter[str]] = field(default_factory=dict)
    peak_requests_in_flight_by_user: Counter[str] = field(default_factory=Counter)


class Quota:
    """The quota of one project at Google, with the quota of each of its users. Thread-safe.

    clock: function that returns the time in seconds since 1970. A minute of the quota begins at
        each multiple of `GmailBehaviour.minute_s` of this time.
    """

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.time
        self._lock = threading.Lock()
        self._users: dict[str, _Window] = {}
        self._project = _Window()
        self._in_flight: Counter[str] = Counter()
        self._counts = QuotaCounts()

    def reset_counts(self) -> None:
        """Set all counts and the units that were used in the present minute to 0."""
        with self._lock:
            self._users, self._project, self._counts = {}, _Window(), QuotaCounts()

    def to_json(self) -> dict[str, Any]:
        with self._lock:
            counts = self._counts
            return {
                "units": dict(counts.units_by_user),
                "totalUnits": counts.units_by_user.total(),
                "requests": {
                    user: dict(each) for user, each in counts.request_counts_by_user.items()
                },
                "refused": {
                    user: dict(each) for user, each in counts.refusal_counts_by_user.items()
                },
                "mostInFlight": dict(counts.peak_requests_in_flight_by_user),
            }

    def count_charged_units_since_reset(self, user_id: str) -> int:
        with self._lock:
            return self._counts.units_by_user[user_id]

    def in_flight_request_count(self, user_id: str) -> int:
        with self._lock:
            return self._in_flight[user_id]

    @contextmanager
    def track_request_in_flight(self, user_id: str, behaviour: GmailBehaviour) -> Iterator[None]:
        """Count a request of a user as in flight while the `with` block runs.

        Raises:
            GmailError: 429 if the user has too many concurrent requests.
        """
        with self._lock:
            if self._in_flight[user_id] >= behaviour.requests_in_flight:
                self._refuse(user_id, "concurrency")
                raise _too_many_at_once(behaviour)
            self._in_flight[user_id] += 1
            most = self._counts.peak_requests_in_flight_by_user
            most[user_id] = max(most[user_id], self._in_flight[user_id])
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[user_id] -= 1

    def charge_units(
        self, user_id: str, method: str, units: int, behaviour: GmailBehaviour
    ) -> None:
        """Count a request and its quota units. Raises GmailError 403 or 429 if the units exceed the
        limit of the user or of the project."""
        now = self.clock()
        user_limit = behaviour.units_per_minute_of_user
        project_limit = behaviour.units_per_minute_of_project
        with self._lock:
            user = self._users.setdefault(user_id, _Window())
            _turn(user, now, behaviour.minute_s)
            _turn(self._project, now, behaviour.minute_s)
            refused = None
            if user_limit is not None and user.units + units > user_limit:
                refused = ("user", user.began, user_limit)
            elif project_limit is not None and self._project.units + units > project_limit:
                refused = ("project", self._project.began, project_limit)
            if refused is None or behaviour.are_refusals_charged:
                user.units += units
                self._project.units += units
                self._counts.units_by_user[user_id] += units
            if refused:
                self._refuse(user_id, refused[0])
                raise _quota_exceeded(*refused, behaviour)
            self._counts.request_counts_by_user.setdefault(user_id, Counter())[method] += 1

    def _refuse(self, user_id: str, limit: str) -> None:
        self._counts.refusal_counts_by_user.setdefault(user_id, Counter())[limit] += 1


def _turn(window: _Window, now: float, minute_s: float) -> None:
    """Begin a new minute of the quota if the present minute is over."""
    if now >= window.began + minute_s:
        window.began, window.units = now - now % minute_s, 0


def _quota_exceeded(limit: str, began: float, units: int, behaviour: GmailBehaviour) -> GmailError:
    per_user = " per user" if limit == "user" else ""
    unit = "1/min/{project}/{user}" if limit == "user" else "1/min/{project}"
    metadata = {
        "service": "gmail.googleapis.com",
        "consumer": f"projects/{_PROJECT_NUMBER}",
        "quota_metric": "gmail.googleapis.com/total_query_cost",
        "quota_limit": f"UnitsPerMinutePer{'User' if limit == 'user' else 'Project'}",
        "quota_limit_value": str(units),
        "quota_unit": unit,
        "quota_location": "global",
    }
    if behaviour.names_window_start:
        metadata["window_start_time"] = str(int(began))
    message = (
        "Quota exceeded for quota metric 'Total Query Cost' and limit"
        f" 'Units per minute{per_user}' of service 'gmail.googleapis.com' for consumer"
        f" 'project_number:{_PROJECT_NUMBER}'."
    )
    return GmailError(
        behaviour.refusal_status,
        "rateLimitExceeded",
        message,
        details=(build_error_info_detail("RATE_LIMIT_EXCEEDED", **metadata),),
    )


def _too_many_at_once(behaviour: GmailBehaviour) -> GmailError:
    message = "Too many concurrent requests for user."
    if behaviour.retry_after_s is not None:
        message += f"  {build_retry_after_sentence(behaviour.retry_after_s)}"
    return GmailError(429, "rateLimitExceeded", message)


def build_retry_after_sentence(seconds: float) -> str:
    """Return the sentence "Retry after TIME" of Google's errors. TIME is `seconds` from now."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return f"Retry after {until.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
