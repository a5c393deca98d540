"""Assign each state of a state machine to a layer (row) and a column of its picture. Pure.

Layers run from top to bottom, as in Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures" (1981): every transition leads downwards, except those that close a
loop. The first column contains the states that a sync visits when nothing fails.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from dashboard.definition import Scope, Transition


class Place(NamedTuple):
    layer: int
    column: int


def assign_grid_cells(scope: Scope) -> dict[str, Place]:
    """Return the layer and column of every state, counted from 0; no two states share a cell."""
    ways = [way for state in scope.states for way in state.transitions]
    down = _without_repeating(scope.start, ways)
    layers = _layers([state.name for state in scope.states], down)
    return _columns(scope, layers, down)


def _without_repeating(start: str, ways: Iterable[Transition]) -> list[Transition]:
    """Return the transitions that close no loop; transitions taken after an error are followed
    last."""
    leaving = defaultdict(list)
    for way in sorted(ways, key=lambda each: each.kind == "catch"):
        leaving[way.source].append(way)
    down: list[Transition] = []
    path: list[str] = []
    seen: set[str] = set()

    def follow(name: str) -> None:
        seen.add(name)
        path.append(name)
        for way in leaving[name]:
            if way.target not in path:
                down.append(way)
                if way.target not in seen:
                    follow(way.target)
        path.pop()

    follow(start)
    return down


def _layers(names: Iterable[str], down: Iterable[Transition]) -> dict[str, int]:
    """Return each state's layer: the number of transitions on the longest path from the first
    state."""
    sources = defaultdict(list)
    for way in down:
        sources[way.target].append(way.source)

    @cache
    def layer(name: str) -> int:
        return max((layer(each) + 1 for each in sources[name]), default=0)

    return {name: layer(name) for name in names}


def _columns(scope: Scope, layers: Mapping[str, int], down: list[Transition]) -> dict[str, Place]:
    """Return each state's cell, in the column of a state that leads to it if that cell is free."""
    rank = _ranks(scope, down)
    places: dict[str, Place] = {}
    for name in sorted(layers, key=lambda each: (layers[each], rank[each])):
        sources = [way for way in down if way.target == name]
        usual = [way for way in sources if way.kind != "catch"] or sources
        column = min((places[way.source].column for way in usual), default=0)
        while Place(layers[name], column) in places.values():
            column += 1
        places[name] = Place(layers[name], column)
    return places


def _ranks(scope: Scope, down: list[Transition]) -> dict[str, tuple[bool, bool, int, int]]:
    """Return the sort key by which states choose their columns; the smallest key chooses first.

    First come states reached without an error, then states that end without one, then states with
    the longest path still to go.
    """
    usual = [way for way in down if way.kind != "catch"]
    reached = _closure({scope.start}, [(way.source, way.target) for way in usual])
    good = {
        each.name for each in scope.states if each.type != "Fail" and not _next(each.transitions)
    }
    ends_well = _closure(good, [(way.target, way.source) for way in usual])
    depth = _layers(
        [state.name for state in scope.states],
        [Transition(way.target, way.source, way.kind) for way in usual],
    )
    return {
        state.name: (
            state.name not in reached,
            state.name not in ends_well,
            -depth[state.name],
            number,
        )
        for number, state in enumerate(scope.states)
    }


def _next(ways: Iterable[Transition]) -> bool:
    return any(way.kind != "catch" for way in ways)


def _closure(first: set[str], steps: list[tuple[str, str]]) -> set[str]:
    found = set(first)
    while more := {end for start, end in steps if start in found} - found:
        found |= more
    return found
