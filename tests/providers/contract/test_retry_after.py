from datetime import UTC, datetime

import pytest

from mailsync.retry_after import parse_retry_after_s

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("10", 10.0),
        ("2.128", 2.128),
        ("-3", 0.0),
        ("86400", 3600.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("9" * 4301, None),
        ("1e400", None),
        ("Fri, 99999999999 Jan 2026 03:04:35 GMT", None),
        ("Fri, 02 Jan 2026 03:04:35 +99999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600.0),
        ("\0\ud800", None),
        ("", None),
        (None, None),
    ],
)
def test_a_retry_after_header_is_bounded_seconds_or_nothing(
    header: str | None, seconds: float | None
) -> None:
    assert parse_retry_after_s(header, now=NOW) == seconds
