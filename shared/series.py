"""Counters, histograms and levels for Prometheus that cost next to nothing to write.

prometheus_client guards each value with a lock: 0.3 to 0.9 µs each time, several times a request. Here one
event loop alone writes, so a series is an attribute of an object that is found once, and costs a sixth of
that. What Prometheus reads is still written by prometheus_client.

The values of a label are a closed set. What is not in it is `other`, so no caller can make series.
"""

import math
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

OTHER: Final = "other"

MAX_SERIES: Final = 4096
"""Of one name. Labels that are closed by our own code alone (routes, tools) stay far below it."""

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a histogram's buckets."""

Vocabulary = Collection[str] | None
"""What a label may say; None: names in our own code, such as routes, which no caller can add to."""


class Count:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        """Begin at zero."""
        self.value = 0

    def inc(self) -> None:
        """Count one."""
        self.value += 1


class Timing:
    """One series of a histogram of durations."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Add one duration."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds


class Level:
    """One series of a gauge; None while there is nothing to tell."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        """Begin without a value."""
        self.value: float | None = None


_Series = TypeVar("_Series", Count, Timing, Level)


class _Family(Collector, Generic[_Series]):
    """All series of one name."""

    kind: type[_Series]

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Mapping[str, Vocabulary] | None = None,
        *,
        registry: CollectorRegistry | None = REGISTRY,
    ) -> None:
        """Take the name, a sentence, and each label with what it may say.

        With a single label that has a vocabulary all series are there from the start, at zero: an alert on
        the first refresh token that is used twice needs the zero before it.
        """
        self.name = name
        self.documentation = documentation
        self.labels: Mapping[str, Vocabulary] = labels or {}
        self._vocabularies = [None if words is None else frozenset(words) for words in self.labels.values()]
        self._series: dict[tuple[str, ...], _Series] = {}
        match [*self.labels.values()]:
            case []:
                self.of()
            case [words] if words is not None:
                for word in words:
                    self.of(word)
        if registry is not None:
            registry.register(self)

    def of(self, *values: str) -> _Series:
        """Return the series of these label values, in the order of the labels."""
        series = self._series.get(values)
        return self._known(values) if series is None else series

    def _known(self, values: tuple[str, ...]) -> _Series:
        # Never kept under what was asked for: that may be a stranger's own word.
        closed = tuple(_closed(*pair) for pair in zip(values, self._vocabularies, strict=True))
        if closed not in self._series and len(self._series) >= MAX_SERIES:
            closed = (OTHER,) * len(closed)
        return self._series.setdefault(closed, self.kind())

    def describe(self) -> Iterator[Metric]:
        """Return the family without its series, so that the registry knows the name."""
        yield self._metric()

    def collect(self) -> Iterator[Metric]:
        """Return the family with its series."""
        metric = self._metric()
        for values, series in self._series.items():
            self._add(metric, values, series)
        yield metric

    @abstractmethod
    def _metric(self) -> Metric:
        """Return the family, still without a sample."""

    @abstractmethod
    def _add(self, metric: Metric, values: tuple[str, ...], series: _Series) -> None:
        """Add the samples of one series."""


class Counts(_Family[Count]):
    """A counter; its name ends in `_total`."""

    kind = Count

    def inc(self, *values: str) -> None:
        """Count one in the series of these label values."""
        self.of(*values).value += 1

    def _metric(self) -> Metric:
        return CounterMetricFamily(self.name, self.documentation, labels=[*self.labels])

    def _add(self, metric: Metric, values: tuple[str, ...], series: Count) -> None:
        metric.add_sample(self.name, dict(zip(self.labels, values, strict=True)), series.value)


class Timings(_Family[Timing]):
    """A histogram of durations; its name ends in `_seconds`."""

    kind = Timing

    def _metric(self) -> Metric:
        return HistogramMetricFamily(self.name, self.documentation, labels=[*self.labels])

    def _add(self, metric: Metric, values: tuple[str, ...], series: Timing) -> None:
        labels = dict(zip(self.labels, values, strict=True))
        reached = 0
        for bound, count in zip((*SECONDS, math.inf), series.counts, strict=True):
            reached += count
            edge = "+Inf" if bound == math.inf else str(bound)
            metric.add_sample(f"{self.name}_bucket", {**labels, "le": edge}, reached)
        metric.add_sample(f"{self.name}_count", labels, reached)
        metric.add_sample(f"{self.name}_sum", labels, series.total)


class Levels(_Family[Level]):
    """A gauge."""

    kind = Level

    def set(self, value: float | None, *values: str) -> None:
        """Set the series of these label values; None: there is nothing to tell."""
        self.of(*values).value = value

    def _metric(self) -> Metric:
        return GaugeMetricFamily(self.name, self.documentation, labels=[*self.labels])

    def _add(self, metric: Metric, values: tuple[str, ...], series: Level) -> None:
        if series.value is not None:
            metric.add_sample(self.name, dict(zip(self.labels, values, strict=True)), series.value)


def _closed(value: str, vocabulary: frozenset[str] | None) -> str:
    return value if vocabulary is None or value in vocabulary else OTHER
