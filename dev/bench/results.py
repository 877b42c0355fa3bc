"""What was measured, as JSON: by group, so that a run of one group leaves what is known of the others."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dev.bench.load import driver_name
from dev.bench.rows import Cost, Line, Row


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one group, when and on what they were measured, and what made the load."""

    lines: Sequence[Line]
    at: str
    machine: str
    load: str


@dataclass(frozen=True, slots=True)
class Results:
    """All groups that were measured, by name."""

    groups: Mapping[str, Group] = field(default_factory=dict)

    def with_group(self, name: str, lines: Sequence[Line]) -> "Results":
        """Return these with one group measured just now."""
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return Results({**self.groups, name: Group(lines, at, machine(), driver_name())})

    def values(self) -> dict[str, float]:
        """Return the costs by key."""
        return {
            line.key: line.value
            for group in self.groups.values()
            for line in group.lines
            if isinstance(line, Cost)
        }

    def row(self, key: str) -> Row | None:
        """Return the comparison with this key."""
        for group in self.groups.values():
            for line in group.lines:
                if isinstance(line, Row) and line.key == key:
                    return line
        return None


def machine() -> str:
    """Return what the numbers are measured on."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{system}, Python {platform.python_version()}"


def to_json(results: Results) -> str:
    """Return them as a JSON document."""
    content = {
        name: {
            "at": group.at,
            "machine": group.machine,
            "load": group.load,
            "lines": [_members(line) for line in group.lines],
        }
        for name, group in results.groups.items()
    }
    return json.dumps({"groups": content}, indent=1, ensure_ascii=False) + "\n"


def read(path: Path) -> Results:
    """Return what was kept in a file; nothing when there is none."""
    if not path.exists():
        return Results()
    content = json.loads(path.read_text(encoding="utf-8"))
    return Results(
        {
            name: Group(
                [_line(each) for each in group["lines"]], group["at"], group["machine"], group["load"]
            )
            for name, group in content.get("groups", {}).items()
        }
    )


def _members(line: Line) -> dict[str, Any]:
    kept = {
        name: float(f"{value:.5g}") if isinstance(value, float) else value
        for name, value in asdict(line).items()
    }
    ratio = {"ratio": round(line.ratio, 3)} if isinstance(line, Row) else {}
    return {**kept, **ratio, "met": line.is_met}


def _line(members: Mapping[str, Any]) -> Line:
    kind = Row if "ours" in members else Cost
    known = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in members.items() if name in known})
