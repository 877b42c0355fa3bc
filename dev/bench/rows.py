"""What a line of the table is, and how two servers are held against each other."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from dev.bench.load import Measured, Target, run
from dev.deployment import Deployment
from dev.flow import Browser, OAuthClient

SANDBOX_TOKEN: Final = "vtwn_sandbox_ada"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: two rates a second, their ratio, and the ratio that is asked for."""

    name: str
    against: str
    ours: float
    theirs: float
    wanted: float
    spread: float
    """Of the ratio over the rounds: (largest - smallest) / median."""

    @property
    def ratio(self) -> float:
        """How often ours goes into a second for one of theirs."""
        return self.ours / self.theirs

    @property
    def is_met(self) -> bool:
        """Whether the ratio reaches what is asked for."""
        return self.ratio >= self.wanted


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: seconds of one measurement, and how often each takes its turn."""

    seconds: float
    rounds: int
    peers: bool
    folder: Path


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of the table: a cost, and the most that is allowed."""

    name: str
    value: float
    unit: str
    at_most: float

    @property
    def is_met(self) -> bool:
        """Whether the cost stays within what is allowed."""
        return self.value <= self.at_most


Line = Row | Limit


def compare(plan: Plan, name: str, against: str, ours: Target, theirs: Target, *, wanted: float) -> Row:
    """Measure two targets in turns and return how they compare."""
    # In turns, so that a busy minute of this computer meets both.
    pairs = [
        (run(ours, plan.folder, seconds=plan.seconds), run(theirs, plan.folder, seconds=plan.seconds))
        for _ in range(plan.rounds)
    ]
    ratios = [mine.rate / other.rate for mine, other in pairs]
    return Row(
        name,
        against,
        _median(mine for mine, _ in pairs),
        _median(other for _, other in pairs),
        wanted,
        (max(ratios) - min(ratios)) / statistics.median(ratios),
    )


def _median(measured: Iterable[Measured]) -> float:
    return statistics.median(each.rate for each in measured)


async def access_token(deployment: Deployment) -> str:
    """Return an access token that one sandbox account approved."""
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, deployment.issuer)
        await client.register()
        tokens = await client.tokens(Browser(http, SANDBOX_TOKEN), scope="read write")
    return str(tokens["access_token"])
