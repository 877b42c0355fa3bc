"""The alert rules speak of metrics, labels and values that there are."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

import auth_server.metrics
import mcp_server.metrics
import shared.metrics
from dev.deployment import ROOT
from shared.series import Counts, Levels, Timings

Family = Counts | Levels | Timings
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text("utf-8"))["groups"][0][
    "rules"
]
ENDINGS = ("_bucket", "_count", "_sum")

_SELECTOR = re.compile(r"\b([a-z]+(?:_[a-z]+)+)\b(?:\{([^}]*)\})?")
_LABEL = re.compile(r'(\w+)(=~|=)"([^"]*)"')
_FUNCTIONS = {"histogram_quantile"}


def families() -> Iterator[Family]:
    for module in (shared.metrics, auth_server.metrics, mcp_server.metrics):
        for value in vars(module).values():
            if isinstance(value, Family):
                yield value


KNOWN: Mapping[str, Family] = {family.name: family for family in families()}


def family_of(name: str) -> Family:
    ending = next((ending for ending in ENDINGS if name.endswith(ending) and name not in KNOWN), "")
    family = KNOWN[name.removesuffix(ending)]
    assert bool(ending) == isinstance(family, Timings)
    return family


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_there_is(rule: Mapping[str, Any]) -> None:
    selectors = [(name, labels) for name, labels in _SELECTOR.findall(rule["expr"]) if name not in _FUNCTIONS]
    assert selectors
    for name, labels in selectors:
        family = family_of(name)
        for label, operator, value in _LABEL.findall(labels):
            vocabulary = family.labels[label]
            values = value.split("|") if operator == "=~" else [value]
            if vocabulary is not None and "." not in value:
                assert set(values) <= {*vocabulary, "other"}
        if isinstance(family, Levels):
            assert "rate(" not in rule["expr"]
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_alert_says_how_bad_it_is_what_it_means_and_where_to_look() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "look"}
