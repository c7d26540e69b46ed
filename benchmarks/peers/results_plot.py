"""A picture of horizontal bars as plain SVG, which is legible in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 760, 320, 90, 46, 30

#: Our bars differ in brightness and by a frame, so that no reader needs to see colours.
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.paper { fill: #ffffff }
.bar { fill: #afb8c1 }
.ours { fill: #0550ae; stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.paper { fill: #0d1117 }
.bar { fill: #57606a }
.ours { fill: #79c0ff; stroke: #f0f6fc }
}
"""


class Bar(NamedTuple):
    """One bar: its name, its length, the text at its end, and whether it is ours."""

    name: str
    value: float
    text: str
    is_own: bool


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Return the picture. The longest bar has the whole width."""
    height = _TOP + _ROW * len(rows) + 12
    most = max((row.value for row in rows), default=1)
    described = "; ".join(f"{row.name}: {row.text}" for row in rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(described)}</desc><style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        f'<text class="title" x="12" y="26">{escape(title)}</text>',
    ]
    for number, row in enumerate(rows):
        top, length = _TOP + _ROW * number, (_WIDTH - _LEFT - _RIGHT) * row.value / most
        kind = "bar ours" if row.is_own else "bar"
        parts += [
            f'<text x="{_LEFT - 10}" y="{top + 17}" text-anchor="end">{escape(row.name)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{top + 3}" width="{length:.1f}" height="20"/>',
            f'<text x="{_LEFT + length + 8:.1f}" y="{top + 17}">{escape(row.text)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
