"""Parse the `Retry-After` header of HTTP responses."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 3600.0


def parse_retry_after_s(header: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds that a `Retry-After` header requests. A number below 0 becomes 0, a number
    above 3600 becomes 3600.

    Returns None if the header is missing or malformed. Accepts both forms of RFC 9110, section
    10.2.3, and fractions of seconds, which providers send although the RFC does not allow them.
    """
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = _seconds_until(header, now or datetime.now(UTC))
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _seconds_until(http_date: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(http_date)
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return math.nan
