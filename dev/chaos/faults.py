"""The faults, one by one, and what must hold beside what always must."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dev.chaos.breaking import (
    Broken,
    clock_off,
    key_rotated,
    linked,
    master_paused,
    primary_killed,
    replicas,
    replies_cut,
    rolling_restart,
    scripts_forgotten,
    store_emptied,
    store_killed,
    store_paused,
    store_setting,
    store_slow,
    unknown_keys,
    val_town_gone,
)
from dev.chaos.link import Mode
from dev.chaos.people import Story
from dev.chaos.world import Process
from shared.revocation import FRESH_SECONDS


class StoreKind(Enum):
    """What store the services run on."""

    ONE = "one server"
    SENTINEL = "a master, two replicas, three Sentinels"
    CLUSTER = "a cluster, 3 + 3"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        id: of the matrix.
        name: what happens, for people.
        broken: breaks it on entry, mends it on exit.
        seconds: how long it stays broken.
        holds: returns what else went wrong, by what was seen; empty when nothing did.
        recovery: seconds within which everything succeeds again after the repair.
        store: how many servers it is.
    """

    id: str
    name: str
    broken: Broken
    holds: Callable[[Story], list[str]] = lambda _story: []
    seconds: float = 3.0
    recovery: float = 5.0
    store: StoreKind = StoreKind.ONE


def _succeed(least: float, *kinds: str) -> Callable[[Story], list[str]]:
    def check(story: Story) -> list[str]:
        return [f"{kind}: {story.share(kind):.1%} succeeded" for kind in kinds if story.share(kind) < least]

    return check


def _answers_within(seconds: float) -> Callable[[Story], list[str]]:
    def check(story: Story) -> list[str]:
        slow = story.slowest > seconds
        return [f"an answer took {story.slowest:.2f} s, more than {seconds:g} s"] if slow else []

    return check


def _both(*checks: Callable[[Story], list[str]]) -> Callable[[Story], list[str]]:
    return lambda story: [problem for check in checks for problem in check(story)]


FAULTS: Final = (
    Fault("F1", "store killed, started again", store_killed, _answers_within(2.0)),
    Fault("F2", "store hangs (SIGSTOP)", store_paused, _answers_within(2.0)),
    Fault("F3", "store slow, 50 ms", store_slow(0.05), _succeed(0.99, "list", "call", "refresh")),
    Fault(
        "F3",
        "store slow, 200 ms",
        store_slow(0.2),
        _both(_answers_within(2.5), _succeed(0.99, "list")),
    ),
    Fault("F3", "store slow, 1000 ms", store_slow(1.0), _answers_within(2.5)),
    Fault("F4", "replies cut in the middle", replies_cut, _answers_within(2.5)),
    Fault("F5", "store emptied, data restored", store_emptied, recovery=10.0),
    Fault(
        "F6",
        "master killed, Sentinel failover",
        primary_killed,
        _succeed(0.97, "list", "call", "refresh"),
        seconds=5.0,
        store=StoreKind.SENTINEL,
    ),
    Fault(
        "F6",
        "master hangs (SIGSTOP), Sentinel failover",
        master_paused,
        _succeed(0.95, "list", "call"),
        seconds=5.0,
        store=StoreKind.SENTINEL,
    ),
    Fault(
        "F9",
        "store full (maxmemory 1)",
        store_setting("maxmemory", "1"),
        _succeed(0.99, "list", "revoke"),
    ),
    Fault("F10", "store may evict", store_setting("maxmemory-policy", "allkeys-lru")),
    Fault("F12", "store forgets its scripts", scripts_forgotten, _succeed(1.0, "list", "call", "refresh")),
    Fault(
        "F13",
        "a primary of the cluster killed",
        primary_killed,
        _succeed(0.97, "list", "call", "refresh"),
        seconds=8.0,
        store=StoreKind.CLUSTER,
    ),
    Fault(
        "F14",
        "all auth_servers killed",
        replicas(lambda world: world.auth, Process.kill, Process.start),
        _succeed(1.0, "list", "call"),
    ),
    Fault("F16", "signing key rotated", key_rotated, _succeed(1.0, "list", "call", "refresh")),
    Fault("F17", "flood of unknown keys", unknown_keys, _succeed(0.99, "list", "call", "refresh")),
    Fault(
        "F18",
        "clocks of one replica each 30 s behind",
        clock_off("-30s"),
        _succeed(0.97, "list", "call", "refresh"),
    ),
    Fault(
        "F18",
        "clocks of one replica each 30 s ahead",
        clock_off("+30s"),
        _succeed(0.97, "list", "call", "refresh"),
    ),
    Fault(
        "F19",
        "one mcp_server killed",
        replicas(lambda world: world.mcp[-1:], Process.kill, Process.start),
        _succeed(0.95, "list", "call"),
    ),
    Fault(
        "F19",
        "one auth_server killed",
        replicas(lambda world: world.auth[-1:], Process.kill, Process.start),
        _succeed(0.9, "refresh"),
    ),
    Fault(
        "F20",
        "one mcp_server cut off from the store, silently",
        linked(Mode.SILENT, "mcp-1"),
        seconds=FRESH_SECONDS + 3,
    ),
    Fault(
        "F21",
        "all links silent, no RST",
        linked(Mode.SILENT),
        _answers_within(2.5),
        seconds=FRESH_SECONDS + 3,
    ),
    Fault("F21", "all links reset", linked(Mode.SHUT), _answers_within(2.5)),
    Fault(
        "F22",
        "rolling restart of all replicas",
        rolling_restart,
        _succeed(0.99, "list", "call", "refresh"),
    ),
    Fault("F26", "Val Town gone", val_town_gone, _succeed(1.0, "list", "refresh")),
    Fault(
        "F29",
        "one mcp_server hangs (SIGSTOP)",
        replicas(lambda world: world.mcp[-1:], Process.pause, Process.resume),
        seconds=6.0,
    ),
    Fault(
        "F29",
        "one auth_server hangs (SIGSTOP)",
        replicas(lambda world: world.auth[-1:], Process.pause, Process.resume),
        seconds=6.0,
    ),
)
