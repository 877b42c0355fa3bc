"""`python -m dev.conformance`: run the suite, say how it went, write docs/conformance.md."""

import sys
from collections.abc import Mapping
from typing import Final

import httpx

from dev.conformance import report
from dev.conformance.authorization import run_authorization_scenarios
from dev.conformance.server import ServerFailedError, run_server_scenarios
from dev.conformance.suite import Outcome, SuiteMissingError, install
from dev.deployment import NotReadyError
from dev.flow import FlowError
from dev.store import NoStoreError

UNAVAILABLE = 75
"""Exit status when the suite cannot be had here (EX_TEMPFAIL of sysexits.h)."""
_CANNOT_RUN: Final = (ServerFailedError, NoStoreError, NotReadyError, FlowError, httpx.HTTPError)


def main() -> int:
    """Return 0 when every required scenario went as it must."""
    try:
        install()
    except SuiteMissingError as error:
        print(f"The conformance suite cannot be had here: {error}.", file=sys.stderr)
        return UNAVAILABLE
    outcomes: dict[str, Outcome] = {}
    try:
        for revision, outcome in run_server_scenarios():
            outcomes[f"MCP server, {revision}"] = outcome
        outcomes["Authorization server"] = run_authorization_scenarios()
    except _CANNOT_RUN as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    report.write(outcomes)
    return _tell(outcomes)


def _tell(outcomes: Mapping[str, Outcome]) -> int:
    for title, outcome in outcomes.items():
        print(f"{title}: {'as it must be' if outcome.passed else 'NOT as it must be'}")
        if not outcome.passed:
            print(outcome.output[outcome.output.rfind("=== SUMMARY") :])
    return 0 if all(outcome.passed for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
