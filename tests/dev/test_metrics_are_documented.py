"""The tables of docs/operations.md name every metric of each service with its labels, and nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping

import pytest

import auth_server.metrics
import mcp_server.metrics
import shared.metrics
from dev.docs import ROOT
from shared.series import Counts, Levels, Timings

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PARTS = {
    "Both services": shared.metrics,
    "auth_server": auth_server.metrics,
    "mcp_server": mcp_server.metrics,
}

Told = Mapping[str, tuple[str, ...]]


def families(module: object) -> list[Counts | Timings | Levels]:
    return [value for value in vars(module).values() if isinstance(value, Counts | Timings | Levels)]


def documented(part: str) -> Told:
    """Return the metrics of one table, and the labels of each."""
    table = OPERATIONS.partition(f"**{part}**\n\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0].strip("`"): tuple(re.findall(r"`(\w+)`", row[1])) for row in rows}


@pytest.mark.parametrize("part", PARTS)
def test_each_table_is_what_the_code_has(part: str) -> None:
    assert documented(part) == {family.name: tuple(family.labels) for family in families(PARTS[part])}


@pytest.mark.parametrize("part", PARTS)
def test_names_follow_the_conventions_of_prometheus(part: str) -> None:
    for family in families(PARTS[part]):
        assert re.fullmatch(r"[a-z][a-z_]+", family.name)
        assert family.name.endswith("_total") == isinstance(family, Counts), family.name
        assert not isinstance(family, Timings) or family.name.endswith("_seconds"), family.name
        assert family.documentation.endswith(".")


@pytest.mark.parametrize("service", ["auth_server", "mcp_server"])
def test_a_service_tells_its_own_metrics_and_those_of_both(service: str) -> None:
    code = (
        f"import json, {service}.app; from prometheus_client import REGISTRY;"
        "print(json.dumps([family.name for family in REGISTRY.collect()]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    told = {name for name in json.loads(ran.stdout) if not name.startswith(("process_", "python_"))}
    expected = {*documented("Both services"), *documented(service)}
    assert told == {name.removesuffix("_total") for name in expected}


def test_the_outcomes_that_the_tables_name_are_outcomes() -> None:
    words = {
        word
        for module in PARTS.values()
        for family in families(module)
        for vocabulary in family.labels.values()
        for word in vocabulary or ()
    }
    rows = [line for line in OPERATIONS.splitlines() if re.match(r"\| `\w+_", line)]
    named = {word for row in rows for word in re.findall(r"`([a-z_]+)`[,:]", row.split("|")[4])}
    of_our_code = {"client-document", "registration", "other"}
    metrics = {name for part in PARTS for name in documented(part)}
    assert named - words - of_our_code - metrics == set()
