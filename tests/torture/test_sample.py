"""A share of the torture in every test run; `make torture` has all of it."""

from collections.abc import Iterator

import pytest

from localdev.engine.postgres import Postgres
from tests.torture.crash_points import DEATHS, SCENARIOS, CrashPoints
from tests.torture.histories import Round, check_history, falsified
from tests.torture.random_changes import Change
from tests.torture.world import World

POINTS = 3
HISTORIES = 6
SEED = 20_26


@pytest.fixture(scope="module")
def world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(postgres, tmp_path_factory.mktemp("simulators")) as world:
        yield world


@pytest.mark.parametrize("dies", DEATHS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_sync_that_is_killed_loses_nothing_and_leaves_nothing_twice(
    world: World, scenario: str, dies: str
) -> None:
    points = CrashPoints(world, scenario, dies)
    # Both before and after calls: an odd stride alternates between them.
    trials = list(points.trials(first=3, stride=points.moments // POINTS | 1))

    assert len(trials) >= POINTS
    assert {str(trial.point): trial.wrong for trial in trials if trial.wrong} == {}


def test_after_any_history_the_tables_equal_the_mailbox(world: World) -> None:
    assert falsified(world, histories=HISTORIES, seed_number=SEED, told=lambda _: None) is None


def test_what_was_changed_in_a_folder_that_a_message_passed_through_is_not_lost(
    world: World,
) -> None:
    """There and back between two polls, changed there and read here: only the read is told."""
    toggled = (Change("read", what=3), Change("unread", what=3))

    check_history(world, [Round(), Round(before=(Change("changed there", 3, 3), *toggled))])
