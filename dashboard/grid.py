"""Compute the coordinates of states and transition lines in the picture of a state machine. Pure
functions.

A transition to the next state in the same column is one straight line. Every other transition is a
line with corners, which leaves the source state through the gap below the state's row. If the
target is not in the next row, the line continues in a vertical lane beside the columns. All lines
that lead in the same direction (up or down) to the same target share a lane. So no line crosses a
state.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from dashboard.arrange import StateMachineGridCell
from dashboard.definition import Transition

_COLUMN_GAP_PX = 28
_MIN_ROW_GAP_PX = 24
_HORIZONTAL_LINE_SPACING_PX = 9
_VERTICAL_LANE_SPACING_PX = 14
_LINE_END_SPACING_PX = 14
_PICTURE_MARGIN_PX = 4

PixelCoordinates = tuple[float, float]
StateBoxSizePx = tuple[float, float]
_LaneKey = tuple[str, bool]
"""Identifies a vertical lane beside the columns: the state to which its lines lead, and whether
they lead upwards.

Upward lanes are on the left of the picture, downward lanes on the right.
"""


class StateMachineLayout:
    """Computes the coordinates of all states and lines of one picture, in pixels from the picture's
    upper left corner.

    width, height: size of the whole picture.
    places: the row and column of each state, ordered by row.
    """

    def __init__(
        self,
        places: Mapping[str, StateMachineGridCell],
        sizes: Mapping[str, StateBoxSizePx],
        ways: Iterable[Transition],
    ) -> None:
        self._places = places
        self._sizes = sizes
        self._ways = list(ways)
        columns: dict[int, list[str]] = defaultdict(list)
        for name, place in places.items():
            columns[place.column].append(name)
        self._straight = {pair for names in columns.values() for pair in pairwise(names)}
        lanes = dict.fromkeys(self._lane(way) for way in self._ways if self._is_long(way))
        self._tracks = self._used_tracks()
        self._place_columns([each for each in lanes if each[1]], [x for x in lanes if not x[1]])
        self._place_rows()

    def top_left_of_state(self, name: str) -> PixelCoordinates:
        """Return the coordinates of the upper left corner of the state."""
        return self._center(name) - self._sizes[name][0] / 2, self._tops[name]

    def points_of_transition(self, way: Transition) -> tuple[PixelCoordinates, ...]:
        """Return the corner points of a transition's line, from the source's lower edge to the
        target's upper edge."""
        start_x = self._center(way.source) + self._port(way, self._leaving(way.source))
        end_x = self._center(way.target) + self._port(self._entry(way), self._entering(way.target))
        start = (start_x, self._tops[way.source] + self._sizes[way.source][1])
        end = (end_x, self._tops[way.target])
        if self._is_straight(way):
            return start, end
        out = self._track_y(self._places[way.source].row + 1, way)
        if not self._is_long(way):
            return start, (start_x, out), (end_x, out), end
        lane_x = self._lanes[self._lane(way)]
        into = self._track_y(self._places[way.target].row, self._lane(way))
        return start, (start_x, out), (lane_x, out), (lane_x, into), (end_x, into), end

    def _is_straight(self, way: Transition) -> bool:
        return (way.source, way.target) in self._straight

    def _is_long(self, way: Transition) -> bool:
        rows = self._places[way.target].row - self._places[way.source].row
        return rows != 1 and not self._is_straight(way)

    def _lane(self, way: Transition) -> _LaneKey:
        return way.target, self._places[way.target].row <= self._places[way.source].row

    def _entry(self, way: Transition) -> Transition | _LaneKey:
        return self._lane(way) if self._is_long(way) else way

    def _used_tracks(self) -> dict[int, list[Transition | _LaneKey]]:
        """Return the lines and lanes that run through each gap between rows, by the gap's number;
        gap n is above row n."""
        tracks: dict[int, list[Transition | _LaneKey]] = defaultdict(list)
        for way in self._ways:
            if not self._is_straight(way):
                tracks[self._places[way.source].row + 1].append(way)
            if self._is_long(way):
                gap = tracks[self._places[way.target].row]
                gap += [] if self._lane(way) in gap else [self._lane(way)]
        return tracks

    def _place_columns(self, up: list[_LaneKey], down: list[_LaneKey]) -> None:
        widths: dict[int, float] = defaultdict(float)
        for name, place in self._places.items():
            widths[place.column] = max(widths[place.column], self._sizes[name][0])
        x = float(_PICTURE_MARGIN_PX + _VERTICAL_LANE_SPACING_PX * len(up))
        self._lanes = {
            lane: x - _VERTICAL_LANE_SPACING_PX * (number + 1) for number, lane in enumerate(up)
        }
        self._centers = {}
        for column in range(max(widths) + 1):
            self._centers[column] = x + widths[column] / 2
            x += widths[column] + _COLUMN_GAP_PX
        x -= _COLUMN_GAP_PX
        self._lanes |= {
            lane: x + _VERTICAL_LANE_SPACING_PX * (number + 1) for number, lane in enumerate(down)
        }
        self.width = x + _VERTICAL_LANE_SPACING_PX * len(down) + _PICTURE_MARGIN_PX

    def _place_rows(self) -> None:
        self._tops: dict[str, float] = {}
        self._gaps: list[float] = []
        y = 0.0
        for row, name in enumerate(self._places):
            self._gaps.append(y)
            y += max(
                _HORIZONTAL_LINE_SPACING_PX * (len(self._tracks[row]) + 1),
                _MIN_ROW_GAP_PX if row else _PICTURE_MARGIN_PX,
            )
            self._tops[name] = y
            y += self._sizes[name][1]
        self._gaps.append(y)
        self.height = (
            y
            + _HORIZONTAL_LINE_SPACING_PX * len(self._tracks[len(self._places)])
            + _PICTURE_MARGIN_PX
        )

    def _center(self, name: str) -> float:
        return self._centers[self._places[name].column]

    def _track_y(self, gap: int, user: Transition | _LaneKey) -> float:
        return self._gaps[gap] + _HORIZONTAL_LINE_SPACING_PX * (self._tracks[gap].index(user) + 1)

    def _leaving(self, name: str) -> list[Transition | _LaneKey]:
        """Return the transitions out of a state, ordered by where their lines lead, from left to
        right."""
        found = [way for way in self._ways if way.source == name]
        return [*sorted(found, key=lambda way: self._far_x(way, way.target))]

    def _entering(self, name: str) -> list[Transition | _LaneKey]:
        found = [way for way in self._ways if way.target == name]
        found.sort(key=lambda way: self._far_x(way, way.source))
        return list(dict.fromkeys(self._entry(way) for way in found))

    def _far_x(self, way: Transition, other: str) -> float:
        return self._lanes[self._lane(way)] if self._is_long(way) else self._center(other)

    def _port(self, user: Transition | _LaneKey, users: list[Transition | _LaneKey]) -> float:
        """Return the horizontal distance in pixels between a line's end and the middle of the
        state. A straight line ends in the middle."""
        straight = [
            n
            for n, each in enumerate(users)
            if isinstance(each, Transition) and self._is_straight(each)
        ]
        middle = straight[0] if straight else (len(users) - 1) / 2
        return (users.index(user) - middle) * _LINE_END_SPACING_PX
