"""One line a check: `ok   name`, `FAIL name: expected …, got …`, or `skip name: why`; then the count."""

from collections.abc import Collection
from typing import Any, Final, TextIO

_LONGEST: Final = 300


class Report:
    """Prints checks as they are made and counts them."""

    def __init__(self, out: TextIO) -> None:
        """Take where to print."""
        self._out = out
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def group(self, title: str) -> None:
        """Begin a group of checks."""
        self.say(f"\n{title}")

    def equal(self, name: str, got: object, expected: object) -> None:
        """Check that two values are the same."""
        self.that(name, got == expected, expected=_shown(expected), got=got)

    def one_of(self, name: str, got: object, expected: Collection[Any]) -> None:
        """Check that a value is among those allowed."""
        self.that(name, got in expected, expected=" or ".join(_shown(value) for value in expected), got=got)

    def has(self, name: str, got: Collection[Any], *expected: object) -> None:
        """Check that a collection holds all of some values."""
        missing = [value for value in expected if value not in got]
        wanted = ", ".join(_shown(value) for value in expected)
        # Names alone: values may be secrets.
        self.that(name, not missing, expected=f"{wanted} in it", got=sorted(map(str, got)))

    def that(self, name: str, holds: bool, *, expected: str, got: object) -> None:
        """Check anything else; `expected` says what in words."""
        if holds:
            self.passed += 1
            self.say(f"ok   {name}")
        else:
            self.failed += 1
            self.say(f"FAIL {name}: expected {expected}, got {_shown(got)}")

    def skip(self, name: str, why: str) -> None:
        """Say that a check was not made, and why."""
        self.skipped += 1
        self.say(f"skip {name}: {why}")

    def finish(self) -> int:
        """Print the count; return the exit status."""
        self.say(f"\n{self.skipped} skipped" if self.skipped else "")
        self.say(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self._out, flush=True)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split()) or "nothing"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
