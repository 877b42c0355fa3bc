"""Series: closed label values, a bound on their number, and histograms as Prometheus reads them."""

import math

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shared import series
from shared.series import OTHER, SECONDS, Counts, Levels, Timings
from tests.support.exposition import parsed


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_a_value_outside_the_vocabulary_is_other(registry: CollectorRegistry) -> None:
    counts = Counts("things_total", "Things.", {"kind": ("a", "b")}, registry=registry)
    for kind in ("a", "x", "y", "x"):
        counts.inc(kind)
    reading = parsed(generate_latest(registry).decode())
    assert [reading.of("things_total", kind=kind) for kind in ("a", "b", OTHER)] == [1, 0, 3]
    assert len(reading.values) == 3


def test_a_label_without_a_vocabulary_has_a_bound_all_the_same(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "MAX_SERIES", 5)
    counts = Counts("things_total", "Things.", {"kind": None, "more": None}, registry=registry)
    for number in range(50):
        counts.inc(str(number), "x")
    reading = parsed(generate_latest(registry).decode())
    assert len(reading.values) == 6
    assert reading.of("things_total", kind=OTHER, more=OTHER) == 45


def test_buckets_add_up(registry: CollectorRegistry) -> None:
    timings = Timings("work_seconds", "Work.", {"kind": ("a",)}, registry=registry)
    for seconds in (0.0, SECONDS[0], 0.3, 99.0):
        timings.of("a").observe(seconds)
    reading = parsed(generate_latest(registry).decode())
    buckets = [reading.of("work_seconds_bucket", kind="a", le=str(bound)) for bound in SECONDS]
    assert buckets == [2.0 if bound < 0.3 else 3.0 for bound in SECONDS]
    assert reading.of("work_seconds_bucket", kind="a", le="+Inf") == 4
    assert reading.of("work_seconds_count", kind="a") == 4
    assert math.isclose(reading.of("work_seconds_sum", kind="a"), 99.301)


def test_a_level_that_nobody_knows_is_not_told(registry: CollectorRegistry) -> None:
    levels = Levels("height", "Height.", registry=registry)
    assert parsed(generate_latest(registry).decode()).values == {}
    levels.set(2.5)
    assert parsed(generate_latest(registry).decode()).of("height") == 2.5
    levels.set(None)
    assert parsed(generate_latest(registry).decode()).values == {}


def test_one_value_for_each_label_is_needed(registry: CollectorRegistry) -> None:
    counts = Counts("things_total", "Things.", {"kind": None, "more": None}, registry=registry)
    with pytest.raises(ValueError, match="zip"):
        counts.inc("a")
