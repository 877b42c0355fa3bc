"""Reads what the audit log wrote, and damages it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.audit.files import Head
from shared.audit.reading import Keys, Problem, check, check_together, files_in
from shared.sealing import Sealer


def records_in(folder: Path, service: str = "") -> list[dict[str, Any]]:
    """Return every record, or those of one service, by time."""
    lines = [line for path in files_in(folder) for line in path.read_bytes().splitlines()]
    records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return sorted(
        (each for each in records if service in ("", each["service"])),
        key=lambda each: (each["at"], each["service"], each["seq"]),
    )


def told(folder: Path, service: str = "") -> list[tuple[str, str, str]]:
    """Return event, outcome and reason of every record that is a decision."""
    of_the_log = ("opened", "closed", "continued")
    return [
        (each["event"], each["outcome"], each.get("reason", ""))
        for each in records_in(folder, service)
        if each["event"] not in of_the_log
    ]


def problems_in(
    folder: Path, sealer: Sealer, heads: dict[str, Head] | None = None, *, whole: bool = True
) -> list[tuple[int, str]]:
    """Return line and sentence of everything that verification finds."""
    keys = Keys(sealer)
    reports = [check(path, keys, (heads or {}).get(path.name)) for path in files_in(folder)]
    found: Sequence[Problem] = [
        *(problem for report in reports for problem in report.problems),
        *check_together(reports, heads, whole=whole),
    ]
    return [(problem.line, problem.what) for problem in found]
