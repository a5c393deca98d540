"""Parameters reach Postgres unchanged, whatever their size and place."""

from socket import SHUT_RDWR

import pytest

from mailsync.errors import StoreUnavailable
from mailsync.settings import Settings
from mailsync.store import rows
from mailsync.store.connection import Database, connect
from mailsync.store.large_parameters import _MIN_LARGE_BYTES
from mailsync.store.parameters import JsonBytes

SIZES = (0, 1, _MIN_LARGE_BYTES - 1, _MIN_LARGE_BYTES, _MIN_LARGE_BYTES + 1, 5_000_000)


@pytest.mark.parametrize("size", SIZES)
def test_small_large_and_missing_parameters_arrive_in_their_order(
    settings: Settings, size: int
) -> None:
    connection = connect(settings)
    text = "\N{GRINNING FACE}" * (size // 4) + "x" * (size % 4)
    sql = "SELECT md5(:a), :b::text, length(:c), :d::int, :e::jsonb ->> 0, md5(:f)"
    given = {"a": text, "b": None, "c": text, "d": 7, "e": JsonBytes(b'["j"]'), "f": text[::-1]}

    found = connection.run(sql, **given)

    [[digest, none, length, seven, json, reverse]] = found
    [[expected, other]] = connection.run(f"SELECT md5('{text}'), md5('{text[::-1]}')")
    assert (digest, reverse) == (expected, other)
    assert (none, length, seven, json) == (None, len(text), 7, "j")
    connection.close()


def test_a_connection_that_is_lost_while_a_large_parameter_is_sent_is_named(
    settings: Settings,
) -> None:
    database = Database(settings, known={"size": "SELECT length(:text)"})

    def send() -> None:
        with database.transaction() as tx:
            tx._connection._usock.shutdown(SHUT_RDWR)
            tx.run("size", text="x" * 10**7)

    with pytest.raises(StoreUnavailable, match="was lost"):
        send()


@pytest.mark.parametrize("text", ["\u4e2d", '\N{GRINNING FACE}\x01"\\\n\x7f\u2028', "a\0b\ud800"])
def test_the_hash_of_a_body_does_not_depend_on_how_it_is_encoded(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Another encoding would rewrite the body at the next sync."""
    usual = rows._body_json(text)
    monkeypatch.setattr(rows, "_MIN_LARGE_CHARS", 1)

    assert rows._body_json(text) == usual


def test_rows_are_divided_into_arrays_of_the_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_STATEMENT_BYTES", 30)
    given = [{"a": "x" * size} for size in (5, 5, 50, 5)]

    found = [each.json for each in rows.chunk_rows_by_size(given)]

    whole = b'[{"a":"xxxxx"},{"a":"xxxxx"}]'
    assert found == [whole, b'[{"a":"' + b"x" * 50 + b'"}]', b'[{"a":"xxxxx"}]']
