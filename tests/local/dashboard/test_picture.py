"""The picture shows every state and every way, and can be read."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.definition import State, StateGraph, Transition, TransitionKind, parse_state_machine
from dashboard.picture import StateBox, StateMachinePicture, draw_state_machine
from infra.catalog import WORKFLOWS, Workflow

EVERY_WORKFLOW = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda each: each.name)
KINDS: tuple[TransitionKind, ...] = ("next", "default", "choice", "catch")


def overlap(one: StateBox, other: StateBox) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def crossings(picture: StateMachinePicture) -> list[str]:
    """Lines that run through a state; a Map's own lines are inside of it."""
    scopes = {node.name: node.containing_map_name for node in picture.nodes}
    return [
        f"{edge.source} -> {edge.target} through {node.name}"
        for edge in picture.edges
        for node in picture.nodes
        if node.containing_map_name == scopes[edge.source]
        for (x1, y1), (x2, y2) in pairwise(edge.points)
        if overlap(node, StateBox("", "", min(x1, x2), min(y1, y2), abs(x1 - x2), abs(y1 - y2), ""))
    ]


@EVERY_WORKFLOW
def test_every_state_and_every_way_is_drawn(workflow: Workflow) -> None:
    scope = parse_state_machine(workflow.asl_text)

    picture = draw_state_machine(scope)

    states = list(scope.iterate_states_and_states_in_maps())
    assert {each.name for each in picture.nodes} == {each.name for each in states}
    ways = {(way.source, way.target, way.kind) for each in states for way in each.transitions}
    assert {(each.source, each.target, each.kind) for each in picture.edges} == ways


@EVERY_WORKFLOW
def test_no_states_overlap_no_line_crosses_one_and_a_map_frames_its_own(workflow: Workflow) -> None:
    picture = draw_state_machine(parse_state_machine(workflow.asl_text))

    assert crossings(picture) == []
    nodes = {node.name: node for node in picture.nodes}
    for one, other in combinations(picture.nodes, 2):
        assert (
            one.name in (other.name, other.containing_map_name)
            or other.name == one.containing_map_name
            or not overlap(one, other)
        )
    for node in picture.nodes:
        frame = nodes[node.containing_map_name] if node.containing_map_name else None
        right, bottom = (
            (frame.x + frame.width, frame.y + frame.height)
            if frame
            else (picture.width, picture.height)
        )
        assert node.x + node.width <= right
        assert node.y + node.height <= bottom


@st.composite
def machines(draw_from: st.DrawFn) -> StateGraph:
    """Any states, each reachable, with any further ways between them."""
    names = [f"state-{number}" for number in range(draw_from(st.integers(1, 9)))]
    kinds = st.sampled_from(KINDS)
    ways = [
        Transition(draw_from(st.sampled_from(names[:number])), name, draw_from(kinds))
        for number, name in enumerate(names)
        if number
    ]
    places = st.sampled_from(names)
    ways += draw_from(st.lists(st.builds(Transition, places, places, kinds), max_size=9))
    states = [
        State(name, "Task", tuple(way for way in ways if way.source == name), ()) for name in names
    ]
    return StateGraph(names[0], tuple(states))


@given(scope=machines())
@settings(max_examples=60, deadline=None)
def test_whatever_the_machine_no_line_crosses_a_state(scope: StateGraph) -> None:
    picture = draw_state_machine(scope)

    assert crossings(picture) == []
    assert not any(overlap(*pair) for pair in combinations(picture.nodes, 2))


def test_the_way_without_failures_is_one_straight_column(scope: StateGraph) -> None:
    nodes = {node.name: node for node in draw_state_machine(scope).nodes}
    column = ("validate-account", "get-access-token", "sync-each-folder", "mark-complete")

    assert len({nodes[name].x + nodes[name].width / 2 for name in column}) == 1
    assert nodes["mark-failed"].x > nodes["mark-complete"].x + nodes["mark-complete"].width


def test_labels_say_in_words_when_a_way_is_taken(scope: StateGraph) -> None:
    labels = {(each.source, each.target): each.label for each in draw_state_machine(scope).edges}

    assert labels["more-pages?", "honour-retry-after"] == "page.hasMore and page.waitSeconds > 0"
    assert labels["anything-left?", "mark-complete"] == "otherwise"
    assert labels["sync-folder", "may-reset-folder?"] == "CursorExpired"
    assert labels["sync-folder", "folder-failed"].endswith(" or any other error")
    assert labels["reset-folder", "folder-failed"] == "any other error"
