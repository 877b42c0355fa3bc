"""The chart of the README: calls a second on one core, as SVG that is readable on light and dark pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from dev.bench.results import Results
from dev.bench.rows import Row

WIDTH: Final = 760
_LABELS: Final = 262
_BAR: Final = 22
_STEP: Final = 30
_TOP: Final = 68
_GAP: Final = 44
_NUMBERS: Final = 104

_STYLE: Final = """
text { font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; }
.group { font-weight: 600; }
.small { font-size: 12px; fill: #59636e; }
.back { fill: #ffffff; }
.ours { fill: #0b6e4f; } .floor { fill: #8c959f; } .peer { fill: #bc6c25; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9198a1; }
  .back { fill: #0d1117; }
  .ours { fill: #3fb68b; } .floor { fill: #6e7681; } .peer { fill: #e09f5f; }
}
"""

GROUPS: Final = (
    ("tools/call, revision 2026-07-28", "tools/call whoami, 2026-07-28"),
    ("tools/call, revision 2025-11-25", "tools/call whoami, 2025-11-25"),
)
_BARS: Final = (
    ("bare uvicorn, without any check", "bare-fast", "floor"),
    ("mcp SDK, as fast as it goes", "sdk-fast", "peer"),
    ("FastMCP, as fast as it goes", "fastmcp-fast", "peer"),
    ("FastMCP, as its package runs it", "fastmcp-plain", "peer"),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, how long it is, and how it is coloured."""

    label: str
    rate: float
    kind: str


def svg(results: Results) -> str:
    """Return the chart of what was measured; groups and bars that were not are left out."""
    groups = [(title, _bars(results, key)) for title, key in GROUPS]
    groups = [(title, bars) for title, bars in groups if bars]
    longest = max((bar.rate for _, bars in groups for bar in bars), default=1.0)
    parts, top = [], _TOP
    for title, bars in groups:
        parts.append(f'<text class="group" x="16" y="{top + 10}">{escape(title)}</text>')
        top += 24
        for bar in bars:
            parts += _drawn(bar, top, longest)
            top += _STEP
        top += _GAP - _STEP
    return _document(parts, top + 8, _words(groups))


def _bars(results: Results, key: str) -> Sequence[Bar]:
    rows = [(label, results.row(f"{key} {name}"), kind) for label, name, kind in _BARS]
    found = [(label, row, kind) for label, row, kind in rows if isinstance(row, Row)]
    if not found:
        return []
    ours = Bar("this server", found[0][1].ours, "ours")
    return [Bar(*_floor(found[0])), ours, *(Bar(label, row.theirs, kind) for label, row, kind in found[1:])]


def _floor(found: tuple[str, Row, str]) -> tuple[str, float, str]:
    return found[0], found[1].theirs, found[2]


def _drawn(bar: Bar, top: int, longest: float) -> list[str]:
    room = WIDTH - _LABELS - _NUMBERS
    length = max(2.0, room * bar.rate / longest)
    middle = top + _BAR - 6
    emphasis = ' class="group"' if bar.kind == "ours" else ""
    return [
        f'<text{emphasis} x="16" y="{middle}">{escape(bar.label)}</text>',
        f'<rect class="{bar.kind}" x="{_LABELS}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="3"/>',
        f'<text x="{_LABELS + length + 8:.1f}" y="{middle}">{bar.rate:,.0f}</text>',
    ]


def _words(groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    told = (
        f"{title}: " + ", ".join(f"{bar.label} {bar.rate:,.0f}" for bar in bars) for title, bars in groups
    )
    return "; ".join(told)


def _document(parts: Sequence[str], height: int, words: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-labelledby="title words">'
    )
    return "\n".join(
        [
            head,
            '<title id="title">Authenticated calls a second on one core</title>',
            f'<desc id="words">{escape(words)}</desc>',
            f"<style>{_STYLE}</style>",
            # A page may be dark where the system is not: the picture brings what it is readable on.
            f'<rect class="back" width="{WIDTH}" height="{height}" rx="6"/>',
            '<text class="title" x="16" y="26">Authenticated calls a second on one core</text>',
            '<text class="small" x="16" y="45">Val Town not asked; longer is better; make bench</text>',
            *parts,
            "</svg>",
            "",
        ]
    )
