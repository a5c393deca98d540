"""Draw a state machine: compute boxes for its states and lines for its transitions. Pure
functions."""

from dataclasses import dataclass, replace

from dashboard.arrange import assign_states_to_grid_cells
from dashboard.definition import State, StateGraph, Transition, TransitionKind
from dashboard.grid import PixelCoordinates, StateBoxSizePx, StateMachineLayout

_STATE_HEIGHT_PX = 36
_LETTER_WIDTH_PX = 8
_STATE_PADDING_PX = 40
_MAP_STATE_FRAME_PX = 16
_MAP_STATE_TITLE_HEIGHT_PX = 32


@dataclass(frozen=True, slots=True)
class StateBox:
    """The box that represents a state in a picture.

    x, y: coordinates of the box's upper left corner, in pixels.
    containing_map_name: name of the Map whose frame contains the box. None: no Map.
    """

    name: str
    type: str
    x: float
    y: float
    width: float
    height: float
    containing_map_name: str | None


@dataclass(frozen=True, slots=True)
class TransitionLine:
    source: str
    target: str
    points: tuple[PixelCoordinates, ...]
    label: str
    kind: TransitionKind


@dataclass(frozen=True, slots=True)
class StateMachinePicture:
    width: float
    height: float
    nodes: tuple[StateBox, ...]
    edges: tuple[TransitionLine, ...]


def draw_state_machine(scope: StateGraph, inside: str | None = None) -> StateMachinePicture:
    """Return the picture of the states in `scope`. A Map becomes a frame around the Map's states.

    inside: name of the Map whose states are drawn. None: the states are not inside a Map.
    """
    inner = {
        each.name: draw_state_machine(each.states_inside_map, each.name)
        for each in scope.states
        if each.states_inside_map
    }
    sizes = {each.name: _size(each, inner.get(each.name)) for each in scope.states}
    ways = _merged(scope)
    grid = StateMachineLayout(assign_states_to_grid_cells(scope), sizes, ways)
    nodes = [
        StateBox(
            each.name, each.type, *grid.top_left_of_state(each.name), *sizes[each.name], inside
        )
        for each in scope.states
    ]
    edges = [
        TransitionLine(way.source, way.target, grid.points_of_transition(way), way.label, way.kind)
        for way in ways
    ]
    for frame in nodes[:]:
        if frame.name in inner:
            content = _moved(
                inner[frame.name],
                frame.x + _MAP_STATE_FRAME_PX,
                frame.y + _MAP_STATE_TITLE_HEIGHT_PX,
            )
            nodes += content.nodes
            edges += content.edges
    return StateMachinePicture(grid.width, grid.height, tuple(nodes), tuple(edges))


def _size(state: State, content: StateMachinePicture | None) -> StateBoxSizePx:
    width = float(len(state.name) * _LETTER_WIDTH_PX + _STATE_PADDING_PX)
    if content is None:
        return width, _STATE_HEIGHT_PX
    return max(
        width, content.width + 2 * _MAP_STATE_FRAME_PX
    ), content.height + _MAP_STATE_TITLE_HEIGHT_PX + _MAP_STATE_FRAME_PX


def _merged(scope: StateGraph) -> list[Transition]:
    """Merge transitions of one kind between the same two states into one transition with all their
    labels."""
    merged: dict[tuple[str, str, TransitionKind], Transition] = {}
    for way in (way for state in scope.states for way in state.transitions):
        key = (way.source, way.target, way.kind)
        known = merged.get(key)
        merged[key] = replace(way, label=f"{known.label} or {way.label}") if known else way
    return list(merged.values())


def _moved(picture: StateMachinePicture, x: float, y: float) -> StateMachinePicture:
    nodes = tuple(replace(each, x=each.x + x, y=each.y + y) for each in picture.nodes)
    edges = tuple(
        replace(each, points=tuple((px + x, py + y) for px, py in each.points))
        for each in picture.edges
    )
    return replace(picture, nodes=nodes, edges=edges)
