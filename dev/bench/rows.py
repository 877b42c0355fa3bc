"""What a line of the table is, and how servers are held against each other."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from dev.bench.load import OWN_DRIVER, Target, driver_name, run
from dev.bench.proc import HAS_PROC, cpu_seconds
from dev.flow import Browser, OAuthClient

SANDBOX_TOKEN: Final = "vtwn_sandbox_ada"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: two rates a second, their ratio, and the ratio that is asked for (None: none).

    Attributes:
        key: a name for programs.
        name: what was done.
        against: what it is held against.
        ours: a second, the median of the rounds.
        theirs: the same of what it is held against.
        wanted: the least ratio.
        spread: of the ratio over the rounds: (largest - smallest) / median.
        by_cpu: the ratio by processor time of the servers, which is the same on a quiet computer and holds
            on a busy one too; None where it cannot be told.
        remark: what has to be known to read it.
    """

    key: str
    name: str
    against: str
    ours: float
    theirs: float
    wanted: float | None
    spread: float
    by_cpu: float | None = None
    remark: str = ""

    @property
    def ratio(self) -> float:
        """How often ours goes into a second for one of theirs."""
        return self.ours / self.theirs

    @property
    def is_met(self) -> bool | None:
        """Whether the ratio reaches what is asked for; None when nothing is."""
        return None if self.wanted is None else self.ratio >= self.wanted


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the table: a cost in `unit`, and the most that is allowed (None: no limit)."""

    key: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    remark: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the cost stays within what is allowed; None when nothing says how much that is."""
        return None if self.at_most is None else self.value <= self.at_most


Line = Row | Cost


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure.

    Attributes:
        seconds: of one measurement.
        rounds: how often each takes its turn.
        peers: whether those are measured that have to be installed.
        folder: for logs and data of this run.
        quick: only to prove that it runs.
        grants: how many to make through the API.
        clients: how many to register through the API.
    """

    seconds: float
    rounds: int
    peers: bool
    folder: Path
    quick: bool = False
    grants: int = 2_000
    clients: int = 5_000

    def some(self, count: int) -> int:
        """Return so many, or a tenth of them when it only has to be proved that it runs."""
        return max(1, count // 10) if self.quick else count


class Round(NamedTuple):
    """What one measurement came to: a second, and a second of processor time (None: it cannot be told)."""

    rate: float
    by_cpu: float | None = None


def in_turns(rounds: int, contenders: Mapping[str, Callable[[], Round]]) -> dict[str, list[Round]]:
    """Measure each in turns, so that a busy minute of this computer meets all; return the rounds."""
    measured: dict[str, list[Round]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            measured[name].append(measure())
    return measured


def by_processor(process_id: int | None, work: Callable[[], tuple[float, float]]) -> Round:
    """Return the rate of `work`, which tells rate and number of requests, also by processor time."""
    if process_id is None or not HAS_PROC:
        return Round(work()[0])
    before = cpu_seconds(process_id)
    rate, count = work()
    spent = cpu_seconds(process_id) - before
    return Round(rate, count / spent if spent > 0 else None)


def rates(plan: Plan, targets: Mapping[str, Target], rounds: int) -> dict[str, list[Round]]:
    """Measure several targets in turns; return the rounds of each."""

    def measure(target: Target) -> tuple[float, float]:
        rate = run(target, plan.folder, seconds=plan.seconds).rate
        return rate, rate * max(1, round(plan.seconds))

    def one(target: Target) -> Callable[[], Round]:
        return lambda: by_processor(target.process_id, lambda: measure(target))

    return in_turns(rounds, {name: one(target) for name, target in targets.items()})


def row(
    key: str,
    name: str,
    against: str,
    ours: Sequence[Round],
    theirs: Sequence[Round],
    *,
    wanted: float | None = None,
    remark: str = "",
) -> Row:
    """Return how two compare that were measured in the same rounds."""
    ratios = [one.rate / two.rate for one, two in zip(ours, theirs, strict=True)]
    spread = (max(ratios) - min(ratios)) / statistics.median(ratios)
    mine, other = (statistics.median(each.rate for each in rounds) for rounds in (ours, theirs))
    return Row(key, name, against, mine, other, wanted, spread, _by_cpu(ours, theirs), remark)


def _by_cpu(ours: Sequence[Round], theirs: Sequence[Round]) -> float | None:
    ratios = [
        mine.by_cpu / other.by_cpu
        for mine, other in zip(ours, theirs, strict=True)
        if mine.by_cpu is not None and other.by_cpu is not None
    ]
    return statistics.median(ratios) if ratios else None


def against_bare(wanted: float) -> tuple[float | None, str]:
    """Return what is asked of a ratio to bare uvicorn, and a remark where that cannot be judged."""
    if driver_name() != OWN_DRIVER:
        return wanted, ""
    # A server that waits for the load looks slower than it is, and the ratio better.
    return None, "not judged: only wrk is fast enough to measure bare uvicorn"


async def access_token(issuer: str) -> str:
    """Return an access token that one sandbox account approved."""
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, issuer)
        await client.register()
        tokens = await client.tokens(Browser(http, SANDBOX_TOKEN), scope="read write")
    return str(tokens["access_token"])
