"""docs/conformance.md: what the suite said, scenario by scenario."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from dev.conformance.suite import VERSION, Outcome
from dev.docs.table import table

PAGE: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "conformance.md"

_HEADER: Final = (
    "<!-- Made by `make conformance`. -->\n\n"
    "# Conformance\n\n"
    "Results of the official suite, `@modelcontextprotocol/conformance` {version}.\n\n"
    "The scenarios for MCP servers run against the product's own protocol layer and endpoint; only the\n"
    "tools, resources and prompts that the suite calls are the tests' (`tests/conformance`). The suite\n"
    "cannot send an access token, so a small proxy adds one. The scenarios for authorization servers run\n"
    "against the services as `make run` starts them; a script is the person at the browser.\n"
)
_NOTES: Final = {
    "extension": "extension, not offered",
    "pending": "not scored yet",
    "added-after-release": "not scored: newer than the revision",
}


def write(outcomes: Mapping[str, Outcome]) -> None:
    """Write the page: a section for each title in `outcomes`."""
    sections = [_section(title, outcome) for title, outcome in outcomes.items()]
    PAGE.write_text("\n".join([_HEADER.format(version=VERSION), *sections]), encoding="utf-8")


def _section(title: str, outcome: Outcome) -> str:
    rows = table(("scenario", "checks", "result"), _rows(outcome))
    return f"## {title}\n\n{_judgement(outcome)}\n\n{rows}\n"


def _judgement(outcome: Outcome) -> str:
    # With a list of expected failures the suite does not say which scenarios count.
    failed = [scenario for scenario in outcome.scenarios if scenario.failed and scenario.unscored is None]
    if not outcome.passed:
        return "Not all required scenarios pass."
    return f"All required scenarios pass but {len(failed)}." if failed else "All required scenarios pass."


def _rows(outcome: Outcome) -> Iterable[tuple[str, str, str]]:
    # In a run that the suite is not content with, nothing tells an expected failure from a real one.
    for scenario in outcome.scenarios:
        checks = f"{scenario.passed} of {scenario.passed + scenario.failed}"
        result = "passes"
        if scenario.failed:
            result = "expected to fail" if outcome.passed and scenario.unscored is None else "fails"
        elif not scenario.passed:
            result = "nothing to check"
        note = f" ({_NOTES.get(scenario.unscored, scenario.unscored)})" if scenario.unscored else ""
        yield scenario.name, checks, result + note
