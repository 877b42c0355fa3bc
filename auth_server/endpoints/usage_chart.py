"""Calls by the day as a small bar chart: numbers for an SVG, and the same in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_BAR: Final = 12
_GAP: Final = 4
HEIGHT: Final = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bar, in units of the SVG."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart; `words` say what it shows to those who do not see it."""

    bars: tuple[Bar, ...]
    width: int
    height: int
    words: str


def chart_of(days: Sequence[int]) -> Chart:
    """Return the chart of calls on consecutive days, the last one being today."""
    most = max(days, default=0)
    bars = tuple(_bar(number, calls, most) for number, calls in enumerate(days))
    total = sum(days)
    words = f"{_calls(total)} in the last {len(days)} days"
    if total:
        words += f", {days[-1]} of them today, at most {most} on a day"
    return Chart(bars, len(days) * (_BAR + _GAP) - _GAP, HEIGHT, words)


def _bar(number: int, calls: int, most: int) -> Bar:
    # A day with a call is never invisible beside a busy one.
    height = max(round(calls / most * HEIGHT), 2) if calls else 1
    return Bar(number * (_BAR + _GAP), HEIGHT - height, _BAR, height)


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"
