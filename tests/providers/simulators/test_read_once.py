"""What a simulator keeps of its database is never older than the database."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from localdev.simulators.database import SimulatorDatabase

SCHEMA = "CREATE TABLE IF NOT EXISTS number (value INTEGER)"


@contextmanager
def opened(folder: Path) -> Iterator[SimulatorDatabase]:
    with closing(SimulatorDatabase(folder / "a.sqlite3", SCHEMA, earlier={})) as database:
        yield database


def numbers(database: SimulatorDatabase) -> list[int]:
    return [row["value"] for row in database.fetch_rows("SELECT value FROM number")]


def add(database: SimulatorDatabase, number: int) -> None:
    database.execute_write("INSERT INTO number VALUES (?)", number)


def add_and_fail(database: SimulatorDatabase, number: int, read: Callable[[], list[int]]) -> None:
    with database.transaction():
        add(database, number)
        assert number in read()
        raise ZeroDivisionError


def test_what_is_read_once_is_read_again_after_any_write(tmp_path: Path) -> None:
    with opened(tmp_path) as database, opened(tmp_path) as other:
        readings: list[list[int]] = []

        def read_now() -> list[int]:
            readings.append(numbers(database))
            return readings[-1]

        def read() -> list[int]:
            return database.get_or_compute_cached_result("numbers", read_now)

        assert (read(), read(), len(readings)) == ([], [], 1)
        empty = database.make_in_memory_backup()
        add(database, 1)
        assert read() == [1]
        add(other, 2)
        assert read() == [1, 2]
        with pytest.raises(ZeroDivisionError):
            add_and_fail(database, 3, read)
        assert read() == [1, 2]
        with closing(empty):
            database.restore_from_backup(empty)
        assert (read(), read(), len(readings)) == ([], [], 6)
