"""Choose the row and the column of each state in the picture of a state machine that the dashboard
draws. Pure functions.

Each row contains one state; rows are in the order of the definition. The first column contains
the states of the longest path without errors from the start state to a successful end. The second
column contains all other states, such as Wait states.
"""

from collections.abc import Mapping
from typing import NamedTuple

from dashboard.definition import State, StateGraph


class StateMachineGridCell(NamedTuple):
    row: int
    column: int


def assign_states_to_grid_cells(scope: StateGraph) -> dict[str, StateMachineGridCell]:
    """Return the row and column of every state, counted from 0; no two states share a row."""
    states = {state.name: state for state in scope.states}
    main = _longest_path(states, (scope.start_state,))
    return {
        name: StateMachineGridCell(row, int(name not in main)) for row, name in enumerate(states)
    }


def _longest_path(states: Mapping[str, State], path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the longest continuation of `path` to a successful end of the workflow. If there is no
    such continuation, return the longest one to any other state.

    Paths follow no error transitions and visit no state twice. If two paths are equally long, the
    function returns the path through the transition that comes later in the state's transitions.
    The last transition of a Choice is its Default.
    """
    ways = [way for way in states[path[-1]].transitions if way.kind != "catch"]
    paths = [
        _longest_path(states, (*path, way.target)) for way in ways if way.target not in path
    ] or [path]
    return max(reversed(paths), key=lambda each: (_is_good_end(states[each[-1]]), len(each)))


def _is_good_end(state: State) -> bool:
    return state.type != "Fail" and all(way.kind == "catch" for way in state.transitions)
