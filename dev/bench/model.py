"""From measured costs to a large installation, on paper: what many people and many calls would take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

GIGABYTE: Final = 1e9
_DAY: Final = 86_400.0

KEYS: Final[Mapping[str, str]] = {
    "call cpu": "call_us",
    "call store cpu": "call_store_us",
    "refresh cpu": "refresh_us",
    "refresh store cpu": "refresh_store_us",
    "refresh commands": "refresh_commands",
    "connect cpu": "connect_us",
    "connect store cpu": "connect_store_us",
    "connect commands": "connect_commands",
    "used grants": "grants_megabytes",
    "client": "client_bytes",
    "mcp idle": "mcp_megabytes",
    "auth idle": "auth_megabytes",
}
"""Which line of the benchmark gives which cost."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured: processor time in microseconds a request, memory as named."""

    call_us: float
    call_store_us: float
    refresh_us: float
    refresh_store_us: float
    refresh_commands: float
    connect_us: float
    connect_store_us: float
    connect_commands: float
    grants_megabytes: float
    """Of the store, for 100,000 grants."""
    client_bytes: float
    mcp_megabytes: float
    auth_megabytes: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for, and what is assumed about people."""

    people: int = 1_000_000
    calls_per_second: float = 10_000.0
    grants_per_person: float = 1.5
    clients_per_person: float = 0.1
    """Few: public clients that register the same share one record."""
    share_in_use: float = 0.2
    """Of all grants, those in use in one hour; each is refreshed once then."""
    connections_per_grant_and_month: float = 1.0
    busy: float = 0.6
    """Share of a core that is planned for; the rest is for peaks."""
    core_month: float = 20.0
    gigabyte_month: float = 4.0


@dataclass(frozen=True, slots=True)
class Installation:
    """What it takes."""

    refreshes_per_second: float
    connections_per_second: float
    store_gigabytes: float
    store_commands_per_second: float
    store_core_share: float
    mcp_workers: int
    auth_workers: int
    worker_gigabytes: float
    cores: int
    monthly: float


def costs_of(values: Mapping[str, float]) -> Costs | None:
    """Return the costs among the benchmark's lines by key; None when one was not measured."""
    if not KEYS.keys() <= values.keys():
        return None
    return Costs(**{name: values[key] for key, name in KEYS.items()})


def installation(costs: Costs, demand: Demand) -> Installation:
    """Return what a demand takes at these costs, with a spare worker a tier and a second store."""
    grants = demand.people * demand.grants_per_person
    refreshes = grants * demand.share_in_use / 3600
    connections = grants * demand.connections_per_grant_and_month / (30 * _DAY)
    memory = grants * costs.grants_megabytes * 1024 * 1024 / 100_000
    memory += demand.people * demand.clients_per_person * costs.client_bytes
    store = (
        demand.calls_per_second * costs.call_store_us
        + refreshes * costs.refresh_store_us
        + connections * costs.connect_store_us
    ) / 1e6
    mcp = _workers(demand.calls_per_second * costs.call_us, demand.busy)
    auth = _workers(refreshes * costs.refresh_us + connections * costs.connect_us, demand.busy)
    workers = (mcp * costs.mcp_megabytes + auth * costs.auth_megabytes) * 1024 * 1024
    cores = mcp + auth + 2 * math.ceil(store / demand.busy)
    gigabytes = (2 * memory + workers) / GIGABYTE
    return Installation(
        refreshes_per_second=refreshes,
        connections_per_second=connections,
        store_gigabytes=memory / GIGABYTE,
        store_commands_per_second=refreshes * costs.refresh_commands + connections * costs.connect_commands,
        store_core_share=store,
        mcp_workers=mcp,
        auth_workers=auth,
        worker_gigabytes=workers / GIGABYTE,
        cores=cores,
        monthly=cores * demand.core_month + gigabytes * demand.gigabyte_month,
    )


def _workers(busy_microseconds: float, share: float) -> int:
    return math.ceil(busy_microseconds / 1e6 / share) + 1


def table(costs: Costs, demand: Demand) -> list[tuple[str, str]]:
    """Return what it takes, in words: a line each, what and how much."""
    found = installation(costs, demand)
    return [
        ("people, grants", f"{demand.people:,}, {demand.people * demand.grants_per_person:,.0f}"),
        ("calls a second", f"{demand.calls_per_second:,.0f}"),
        ("refreshes a second", f"{found.refreshes_per_second:,.1f}"),
        ("new connections a second", f"{found.connections_per_second:,.2f}"),
        ("store: memory", f"{found.store_gigabytes:,.1f} GB"),
        ("store: commands a second for these", f"{found.store_commands_per_second:,.0f}"),
        ("store: share of one core", f"{found.store_core_share:.0%}"),
        ("mcp_server workers, a core each", f"{found.mcp_workers:,}"),
        ("auth_server workers, a core each", f"{found.auth_workers:,}"),
        ("memory of all workers", f"{found.worker_gigabytes:,.1f} GB"),
        ("cores, with a replica of the store", f"{found.cores:,}"),
        ("a month, at the prices assumed", f"${found.monthly:,.0f}"),
    ]


def assumptions(demand: Demand) -> str:
    """Return in one sentence what is not measured."""
    return (
        f"Assumed: {demand.grants_per_person:g} connected apps a person, a record of a client for each "
        f"{1 / demand.clients_per_person:.0f} people, {demand.share_in_use:.0%} of the grants in use in any "
        "hour (tokens live an hour: each of these is refreshed once), every app connected anew each month, "
        f"cores planned to be {demand.busy:.0%} busy, one worker more than needed in each tier, "
        f"${demand.core_month:g} a month for a core and ${demand.gigabyte_month:g} for a gigabyte."
    )
