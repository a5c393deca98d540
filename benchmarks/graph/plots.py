"""Draw the results of a run as SVG: for each row the durations, as dots on a logarithmic axis."""

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = {"bound": "#2a9d3a", "Mailsync": "#1f5fbf", "guide": "#c2571a"}
_LEFT, _WIDTH, _TOP, _ROW, _BOTTOM = 290, 480, 48, 22, 34
_STEPS = (1, 2, 5)
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'

PlotRow = tuple[str, Mapping[str, float]]
"""A label, and the seconds of each kind."""


def dot_plot(title: str, rows: Sequence[PlotRow]) -> str:
    """Return the SVG of a plot; the axis is in seconds. There must be a row with a value above
    zero."""
    values = [value for _, kinds in rows for value in kinds.values() if value > 0]
    low, high = min(values) * 0.8, max(values) * 1.25

    def x(seconds: float) -> float:
        share = math.log(max(seconds, low) / low) / math.log(high / low)
        return round(_LEFT + _WIDTH * share, 1)

    height = _TOP + _ROW * len(rows) + _BOTTOM
    width = _LEFT + _WIDTH + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>',
        *_legend(),
    ]
    for seconds in _ticks(low, high):
        at = x(seconds)
        bottom = height - _BOTTOM
        parts.append(f'<path d="M{at} {_TOP - 6}V{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{seconds:g} s</text>')
    for number, (label, kinds) in enumerate(rows):
        y = _TOP + _ROW * number + _ROW // 2
        parts.append(f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(label)}</text>')
        for kind, seconds in kinds.items():
            dot = f'<circle cx="{x(seconds)}" cy="{y}" r="5" fill="{COLOURS[kind]}">'
            parts.append(f"{dot}<title>{escape(kind)}: {seconds:.2f} s</title></circle>")
    return "\n".join([*parts, "</svg>\n"])


def _legend() -> list[str]:
    return [
        f'<circle cx="{_LEFT + 110 * number}" cy="34" r="5" fill="{colour}"/>'
        f'<text x="{_LEFT + 110 * number + 10}" y="38">{kind}</text>'
        for number, (kind, colour) in enumerate(COLOURS.items())
    ]


def _ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [float(step * 10.0**power) for power in powers for step in _STEPS]
    return [each for each in every if low <= each <= high]
