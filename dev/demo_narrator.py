"""Prints the demo: numbered steps, what is asked, what comes back, and why it matters."""

import json
import os
import textwrap
from collections.abc import Mapping
from typing import Any, Final, TextIO

import httpx

_WIDTH: Final = 100
_LONG: Final = 32
_BOLD, _DIM, _GREEN, _CYAN = "1", "2", "32", "36"


class StepFailedError(Exception):
    """A step went another way than it should; the message says how."""


class Narrator:
    """Writes to one terminal, in colour only when it is one and NO_COLOR is not set."""

    def __init__(self, out: TextIO) -> None:
        """Take where to write."""
        self._out = out
        self._colour = out.isatty() and not os.environ.get("NO_COLOR")
        self._count = 0
        self._explained: set[str] = set()
        self.title = ""

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._count += 1
        self.title = f"step {self._count} ({title})"
        self.say("")
        self.say(self._paint(f"{self._count:>2}  {title}", _BOLD))

    def asked(self, text: str, *details: str) -> None:
        """Say what is asked."""
        self._lines("→", text, details, _CYAN)

    def got(self, text: str, *details: str) -> None:
        """Say what came back."""
        self._lines("←", text, details, _GREEN)

    def why(self, text: str) -> None:
        """Say why it matters, once."""
        if text in self._explained:
            return
        self._explained.add(text)
        for line in textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    "):
            self.say(self._paint(line, _DIM))

    def say(self, text: str) -> None:
        """Write a line as it is."""
        print(text, file=self._out, flush=True)

    def _lines(self, arrow: str, text: str, details: tuple[str, ...], colour: str) -> None:
        self.say(f"    {self._paint(arrow, colour)} {text}")
        for detail in details:
            self.say(f"      {detail}".rstrip())

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def short(secret: str) -> str:
    """Return enough of a secret to tell it from others, and useless otherwise."""
    return f"{secret[:8]}…{secret[-4:] if len(secret) > _LONG else ''}"


def pairs(values: Mapping[str, Any]) -> list[str]:
    """Return one line for each member."""
    width = max(len(name) for name in values)
    return [
        f"{name:<{width}}  {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
    ]


def expect(holds: bool, problem: str) -> None:
    """Go on only if something holds.

    Raises:
        StepFailedError: it does not.
    """
    if not holds:
        raise StepFailedError(problem)


def answered(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the JSON object of an answer that must have this status; empty for an empty body.

    Raises:
        StepFailedError: another status, or no JSON object.
    """
    where = f"{response.request.method} {response.request.url.path}"
    expect(
        response.status_code == status,
        f"{where} answered {response.status_code} instead of {status}: {response.text[:300]}",
    )
    if not response.content:
        return {}
    try:
        body = response.json()
    except ValueError:
        body = None
    expect(isinstance(body, dict), f"{where} answered no JSON object: {response.text[:300]}")
    return dict(body)
