"""Convert times to the text that the database, Graph's JSON and the control API contain."""

from datetime import UTC, datetime


def format_utc_seconds(moment: datetime) -> str:
    """Return the time in UTC and whole seconds: `2026-01-31T09:30:00Z`, which sorts as text."""
    # isoformat, since strftime writes the year 150 with three digits.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
