"""A flame graph as one small SVG without a script; a browser tells each frame's share.

Stacks come as py-spy writes them ("raw"): frames from the outermost inwards, joined by ";", and a count.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

WIDTH: Final = 1200
_ROW: Final = 17
_TOP: Final = 44
_LEAST: Final = 0.0025
"""Share of all samples below which a frame is not drawn."""

_LOOP: Final = "Runner.run (asyncio/runners.py)"
"""What is below the event loop is the start of the program, and says nothing."""

_WAITING: Final = ("_worker (concurrent/futures/thread.py)", "wait (threading.py)")
"""Threads without work: py-spy cannot tell that they wait."""

_CHARACTER: Final = 6.4
_FRAME: Final = re.compile(r"^(?P<name>.*) \((?P<file>[^()]*?)(?::\d+)?\)$")
_OURS: Final = re.compile(r"(?:^|/)((?:auth_server|mcp_server|shared)/.*)$")
_INSTALLED: Final = re.compile(r"^.*(?:site-packages|python3\.\d+)/")

_STYLE: Final = """
text { font: 11px ui-monospace, "DejaVu Sans Mono", monospace; fill: #1f2328; pointer-events: none; }
.head { font: 600 15px system-ui, "DejaVu Sans", sans-serif; }
.key { font: 12px system-ui, "DejaVu Sans", sans-serif; }
.back { fill: #ffffff; } rect { stroke: #ffffff; stroke-width: 0.6; }
.ours { fill: #7cc8a8; } .library { fill: #f3c187; } .standard { fill: #c4cad1; }
"""


@dataclass(slots=True)
class Frame:
    """A function in one place of the stacks: how many samples were in it or below it, and what it called."""

    name: str
    kind: str = "standard"
    samples: int = 0
    called: dict[str, "Frame"] = field(default_factory=dict)


def read(raw: str) -> Counter[tuple[str, ...]]:
    """Return how often each stack was seen, but for threads without work."""
    seen: Counter[tuple[str, ...]] = Counter()
    for line in raw.splitlines():
        frames, _, count = line.rpartition(" ")
        stack = tuple(frames.split(";"))
        if count.isdigit() and described(stack[-1])[0] not in _WAITING:
            seen[stack] += int(count)
    return seen


def tree(stacks: Mapping[tuple[str, ...], int]) -> Frame:
    """Return the stacks as a tree, from the event loop on."""
    root = Frame("all")
    for frames, count in stacks.items():
        at = root
        at.samples += count
        for name, kind in _above_the_loop([described(frame) for frame in frames]):
            at = at.called.setdefault(name, Frame(name, kind))
            at.samples += count
    return root


def _above_the_loop(frames: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    places = [place for place, (name, _) in enumerate(frames) if name == _LOOP]
    return frames[places[-1] :] if places else frames


def described(frame: str) -> tuple[str, str]:
    """Return a frame's name with a short path, and whose it is: ours, library or standard."""
    found = _FRAME.match(frame)
    if found is None:
        return frame, "standard"
    name, path = found["name"], found["file"]
    if ours := _OURS.search(path):
        return f"{name} ({ours.group(1)})", "ours"
    # py-spy leaves out what all paths have in common, so only the first name tells whose a file is.
    short = _INSTALLED.sub("", path)
    module = re.split(r"[/.]", short)[0]
    is_standard = module in sys.stdlib_module_names or not short.endswith(".py")
    return f"{name} ({short})", "standard" if is_standard else "library"


def svg(root: Frame, title: str) -> str:
    """Return the picture."""
    drawn = list(_drawn(root, 0.0, 0, root.samples))
    height = _TOP + _ROW * (1 + max((depth for _, _, depth, _ in drawn), default=0)) + 6
    parts = [
        part for left, width, depth, frame in drawn for part in _box(frame, left, width, depth, height, root)
    ]
    key = "green: this project; orange: libraries; grey: Python's own. Width is the share of samples."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{height}"/>',
            f'<text class="head" x="8" y="18">{escape(title)}</text>',
            f'<text class="key" x="8" y="35">{key} {root.samples:,} samples.</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def shares(stacks: Mapping[tuple[str, ...], int], count: int) -> Sequence[tuple[str, float, float]]:
    """Return the functions with most time of their own: name, own share, share with what they called."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for frames, samples in stacks.items():
        names = [described(frame)[0] for frame in frames]
        own[names[-1]] += samples
        for name in set(names):
            whole[name] += samples
    total = max(1, sum(stacks.values()))
    return [(name, samples / total, whole[name] / total) for name, samples in own.most_common(count)]


def _drawn(frame: Frame, left: float, depth: int, total: int) -> Iterator[tuple[float, float, int, Frame]]:
    """Go through the frames that are wide enough: left edge and width as shares, height in rows."""
    yield left, frame.samples / total, depth, frame
    for called in sorted(frame.called.values(), key=lambda each: each.name):
        share = called.samples / total
        if share >= _LEAST:
            yield from _drawn(called, left, depth + 1, total)
        left += share


def _box(frame: Frame, left: float, width: float, depth: int, height: int, root: Frame) -> Sequence[str]:
    x, wide = WIDTH * left, WIDTH * width
    y = height - _ROW * (depth + 1) - 4
    told = f"{frame.name}: {frame.samples / root.samples:.1%}"
    box = f'<rect class="{frame.kind}" x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{_ROW - 1}"/>'
    room = int((wide - 6) / _CHARACTER)
    if room < 4:
        return [f"<g><title>{escape(told)}</title>{box}</g>"]
    name = frame.name if len(frame.name) <= room else frame.name.partition(" (")[0]
    short = name if len(name) <= room else name[: room - 1] + "…"
    text = f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(short)}</text>'
    return [f"<g><title>{escape(told)}</title>{box}{text}</g>"]
