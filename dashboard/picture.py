"""Draw a state machine: positions of the states and lines of the transitions. Pure."""

from dataclasses import dataclass, replace

from dashboard.arrange import assign_grid_cells
from dashboard.definition import State, StateScope, Transition, TransitionKind
from dashboard.grid import PictureGrid, Point, Size

STATE_HEIGHT_PX = 36
LETTER_WIDTH_PX = 8
STATE_PADDING_PX = 40
MAP_FRAME_PX = 16
MAP_TITLE_HEIGHT_PX = 32


@dataclass(frozen=True, slots=True)
class StateBox:
    """The box of a state; `x` and `y` are its upper left corner.

    `inside` is the Map whose frame contains the box; None outside Maps.
    """

    name: str
    type: str
    x: float
    y: float
    width: float
    height: float
    inside: str | None


@dataclass(frozen=True, slots=True)
class TransitionLine:
    source: str
    target: str
    points: tuple[Point, ...]
    label: str
    kind: TransitionKind


@dataclass(frozen=True, slots=True)
class StateMachinePicture:
    width: float
    height: float
    nodes: tuple[StateBox, ...]
    edges: tuple[TransitionLine, ...]


def draw_state_machine(scope: StateScope, inside: str | None = None) -> StateMachinePicture:
    """Draw the states of this scope; a Map becomes a frame around its inner states."""
    inner = {
        each.name: draw_state_machine(each.map_scope, each.name)
        for each in scope.states
        if each.map_scope
    }
    sizes = {each.name: _size(each, inner.get(each.name)) for each in scope.states}
    ways = _merged(scope)
    grid = PictureGrid(assign_grid_cells(scope), sizes, ways)
    nodes = [
        StateBox(each.name, each.type, *grid.state_corner(each.name), *sizes[each.name], inside)
        for each in scope.states
    ]
    edges = [
        TransitionLine(way.source, way.target, grid.transition_line(way), way.label, way.kind)
        for way in ways
    ]
    for frame in nodes[:]:
        if frame.name in inner:
            content = _moved(
                inner[frame.name], frame.x + MAP_FRAME_PX, frame.y + MAP_TITLE_HEIGHT_PX
            )
            nodes += content.nodes
            edges += content.edges
    return StateMachinePicture(grid.width, grid.height, tuple(nodes), tuple(edges))


def _size(state: State, content: StateMachinePicture | None) -> Size:
    width = float(len(state.name) * LETTER_WIDTH_PX + STATE_PADDING_PX)
    if content is None:
        return width, STATE_HEIGHT_PX
    return max(
        width, content.width + 2 * MAP_FRAME_PX
    ), content.height + MAP_TITLE_HEIGHT_PX + MAP_FRAME_PX


def _merged(scope: StateScope) -> list[Transition]:
    """Merge transitions of one kind between two states into one line with all their labels."""
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
