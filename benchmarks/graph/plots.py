"""Draw the results of a run as SVG: dots on a logarithmic axis, as multiples of the bound."""

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = {"Mailsync": "#1f5fbf", "guide": "#c2571a"}
_LEFT, _WIDTH, _TOP, _ROW, _BOTTOM = 290, 480, 48, 22, 34
_STEPS = (1, 2, 5)
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'

PlotRow = tuple[str, Mapping[str, float]]
"""A label, and for each kind how many times as long as the bound it takes."""


def dot_plot(title: str, rows: Sequence[PlotRow]) -> str:
    """Return the SVG of a plot. Its axis begins at 1, the bound; smaller values are drawn there."""
    high = max([2.0, *(value for _, kinds in rows for value in kinds.values())]) * 1.1

    def x(multiple: float) -> float:
        share = math.log(max(multiple, 1.0)) / math.log(high)
        return round(_LEFT + _WIDTH * share, 1)

    height = _TOP + _ROW * len(rows) + _BOTTOM
    width = _LEFT + _WIDTH + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>',
        *_legend(),
    ]
    for multiple in _ticks(high):
        at = x(multiple)
        bottom = height - _BOTTOM
        parts.append(f'<path d="M{at} {_TOP - 6}V{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{multiple:g} ×</text>')
    for number, (label, kinds) in enumerate(rows):
        y = _TOP + _ROW * number + _ROW // 2
        parts.append(f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(label)}</text>')
        for kind, multiple in kinds.items():
            dot = f'<circle cx="{x(multiple)}" cy="{y}" r="5" fill="{COLOURS[kind]}">'
            parts.append(f"{dot}<title>{escape(kind)}: {multiple:.1f} ×</title></circle>")
    return "\n".join([*parts, "</svg>\n"])


def _legend() -> list[str]:
    return [
        f'<circle cx="{_LEFT + 110 * number}" cy="34" r="5" fill="{colour}"/>'
        f'<text x="{_LEFT + 110 * number + 10}" y="38">{kind}</text>'
        for number, (kind, colour) in enumerate(COLOURS.items())
    ]


def _ticks(high: float) -> list[float]:
    powers = range(math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in _STEPS if step * 10**power <= high]
