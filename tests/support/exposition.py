"""What `/metrics` says, so that tests can hold what was counted against what was done."""

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Reading:
    """All series at one moment."""

    values: dict[Series, float]

    def of(self, name: str, **labels: str) -> float:
        """Return the value of a series; 0 when there is none."""
        return self.values.get(_series(name, labels), 0.0)

    def has(self, name: str, **labels: str) -> bool:
        """Return whether there is such a series."""
        return _series(name, labels) in self.values

    def grown(self, earlier: "Reading", *names: str) -> dict[str, float]:
        """Return what changed in the series of these names since an earlier reading.

        Written as in a query: `name{label="value"}`.
        """
        return {
            _written(series): value - earlier.values.get(series, 0.0)
            for series, value in self.values.items()
            if series[0] in names and value != earlier.values.get(series, 0.0)
        }


async def read_metrics(http: httpx.AsyncClient, origin: str = "") -> Reading:
    """Return what a service says now."""
    response = await http.get(f"{origin}/metrics")
    assert response.status_code == 200
    return parsed(response.text)


def parsed(text: str) -> Reading:
    """Return the series in an exposition."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return Reading({_series(sample.name, sample.labels): sample.value for sample in samples})


def _series(name: str, labels: dict[str, str]) -> Series:
    return name, tuple(sorted(labels.items()))


def _written(series: Series) -> str:
    name, labels = series
    inside = ",".join(f'{label}="{value}"' for label, value in labels)
    return f"{name}{{{inside}}}" if inside else name
