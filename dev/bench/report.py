"""What the benchmark says: lines on the terminal, and the tables of docs/benchmark.md."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dev.bench import model
from dev.bench.results import Group, Results
from dev.bench.rows import Cost, Line, Row

TITLES: Final[Mapping[str, str]] = {
    "mcp": "Requests to /mcp: authenticated, revocation checked, Val Town not asked",
    "latency": "Latency",
    "token": "The token endpoint",
    "revocation": "Revocation",
    "cost": "Workers",
    "memory": "Memory that grows with use",
    "scale": "More than one worker",
}

_HEAD: Final = """# Benchmark

Written by `make bench ARGS=--write`; [performance](performance.md) says what it means. Each rate is the
median of rounds in turns, the server on one core, load and store on the other; the spread is that of the
ratio, (largest - smallest) / median. The peers are run as fast as they go (uvloop, httptools, answers in
JSON), and these rows are judged; as their packages alone run them (h11, asyncio, event streams) is noted.
"""


def line(row: Line) -> str:
    """Return one line of the table on the terminal."""
    remark = f"; {row.remark}" if row.remark else ""
    if isinstance(row, Cost):
        judged = "" if row.at_most is None else f"at most {row.at_most:g}: {verdict(row)}"
        said = f"{judged}{remark}".removeprefix("; ")
        return f"  {row.name:<82.82}{_number(row.value):>8} {row.unit:<6}{said}".rstrip()
    by_cpu = "" if row.by_cpu is None else f", by processor time {row.by_cpu:.2f}"
    judged = "" if row.wanted is None else f"at least {row.wanted:g}: {verdict(row)}; "
    return (
        f"  {row.name:<42.42}{row.against:<37.37}{row.ours:>8,.0f} {row.theirs:>8,.0f} /s {row.ratio:>7.2f}  "
        f"{judged}spread {row.spread:.0%}{by_cpu}{remark}"
    )


def verdict(row: Line) -> str:
    """Return whether a line is as it should be; nothing when nothing is asked."""
    return {True: "met", False: "NOT MET", None: ""}[row.is_met]


def model_lines(results: Results) -> list[str]:
    """Return the model on paper for the terminal; nothing when a cost was not measured."""
    costs = model.costs_of(results.values())
    if costs is None:
        return []
    demand = model.Demand()
    return [f"  {what:<42}{much:>16}" for what, much in model.table(costs, demand)] + [
        f"  {model.assumptions(demand)}"
    ]


def page(results: Results) -> str:
    """Return docs/benchmark.md."""
    parts = [_HEAD, _summary(results), "![Calls a second on one core](benchmark.svg)\n"]
    for name, title in TITLES.items():
        if (group := results.groups.get(name)) is not None:
            parts += [f"## {title}\n", _table(group), _source(name, group)]
    parts.append(_model(results))
    return "\n".join(parts).rstrip() + "\n"


def _summary(results: Results) -> str:
    judged = [line for group in results.groups.values() for line in group.lines if line.is_met is not None]
    met = sum(line.is_met is True for line in judged)
    return f"Of {len(judged)} lines that are asked for something, {met} are met.\n"


def _source(name: str, group: Group) -> str:
    load = "" if name in {"cost", "memory", "revocation"} else f"; load: {group.load}"
    return f"`make bench ARGS={name}`, {group.at}, {group.machine}{load}.\n"


def _table(group: Group) -> str:
    rows = [each for each in group.lines if isinstance(each, Row)]
    costs = [each for each in group.lines if isinstance(each, Cost)]
    lines: list[str] = []
    if rows:
        head = "| | against | ours, /s | theirs, /s | ratio | spread | by processor time | at least | |"
        lines += [head, "|---|---|--:|--:|--:|--:|--:|--:|---|", *map(_ratio_line, rows), ""]
    if costs:
        lines += ["| | | at most | |", "|---|--:|--:|---|", *map(_cost_line, costs), ""]
    return "\n".join(lines)


def _ratio_line(row: Row) -> str:
    wanted = "" if row.wanted is None else f"{row.wanted:g}"
    by_cpu = "" if row.by_cpu is None else f"{row.by_cpu:.2f}"
    said = _said(row)
    return (
        f"| {row.name} | {row.against} | {row.ours:,.0f} | {row.theirs:,.0f} | {row.ratio:.2f} "
        f"| {row.spread:.0%} | {by_cpu} | {wanted} | {said} |"
    )


def _cost_line(row: Cost) -> str:
    most = "" if row.at_most is None else f"{row.at_most:g} {row.unit}"
    return f"| {row.name} | {_number(row.value)} {row.unit} | {most} | {_said(row)} |"


def _said(row: Line) -> str:
    return ", ".join(part for part in (verdict(row), row.remark) if part)


def _number(value: float) -> str:
    if value == round(value) and abs(value) < 10:
        return f"{value:g}"
    if abs(value) < 0.1:
        return f"{value:.3f}"
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}"


def _model(results: Results) -> str:
    costs = model.costs_of(results.values())
    if costs is None:
        return ""
    demand = model.Demand()
    lines: Iterable[str] = (f"| {what} | {much} |" for what, much in model.table(costs, demand))
    peers = _with_peers(results, demand)
    return "\n".join(
        [
            "## On paper\n",
            "From the costs above, computed by `dev/bench/model.py`; none of it was run.\n",
            "| | |",
            "|---|--:|",
            *lines,
            "",
            model.assumptions(demand),
            *peers,
        ]
    )


def _with_peers(results: Results, demand: model.Demand) -> Sequence[str]:
    found = results.row("tools/call whoami, 2026-07-28 fastmcp-fast")
    if found is None:
        return []
    ours, theirs = (demand.calls_per_second / rate / demand.busy for rate in (found.ours, found.theirs))
    return [
        f"\nBy the rates on one core, these calls keep {ours:,.0f} cores busy here, and {theirs:,.0f} with "
        "FastMCP as fast as it goes, whose tool asks nobody either."
    ]
