"""The vocabulary of timelines is closed: ids read back, every step leads on, every reason is explained."""

import pytest

from auth_server.domain import generate
from auth_server.domain.flow_diagnosis import State, diagnose
from auth_server.domain.flow_refusals import REFUSALS
from auth_server.store.base import Redemption, Rotation
from shared.flows.steps import Entry, Reason, Step, flow_id, read_flow_id

NOW = 1_800_000_000


def test_an_id_is_short_and_tells_nothing_of_the_handle() -> None:
    handle = generate.secret(generate.TRANSACTION)
    assert flow_id(handle) == flow_id(handle)
    assert len(flow_id(handle)) == len("flow-7K3M-9QXA-2B4C")
    assert len({flow_id(generate.secret(generate.TRANSACTION)) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "written",
    [
        "flow-7K3M-9QXA-2B40",
        "FLOW-7k3m-9qxa-2b4o",
        " 7K3M9QXA2B40 ",
        "flow7K3M-9QXA2B4O",
        "flow 7K3M 9QXA 2B40",
    ],
)
def test_an_id_is_read_however_somebody_wrote_it_down(written: str) -> None:
    assert read_flow_id(written) == "flow-7K3M-9QXA-2B40"


@pytest.mark.parametrize(
    "written", ["", "flow-", "flow-7K3M-9QXA", "flow-7K3M-9QXA-2B4U", "7K3M-9QXA-2B4C-1"]
)
def test_what_is_no_id_is_none(written: str) -> None:
    assert read_flow_id(written) is None


def test_every_id_reads_back() -> None:
    for number in range(500):
        assert read_flow_id(flow_id(str(number))) == flow_id(str(number))


def test_every_outcome_of_a_code_or_refresh_token_is_a_reason() -> None:
    fine = {"ok", "changed", "replayed"}
    assert {*map(str, Redemption), *map(str, Rotation)} - fine <= set(map(str, Reason))


def test_every_reason_for_a_refusal_is_explained() -> None:
    no_refusal = {
        Reason.REMEMBERED,
        Reason.REPEATED,
        Reason.BY_CLIENT,
        Reason.BY_PERSON,
        Reason.BY_OPERATOR,
    }
    assert set(Reason) - no_refusal == set(REFUSALS)


@pytest.mark.parametrize("step", Step)
def test_whatever_came_last_something_is_said(step: Step) -> None:
    for reason in ("", *Reason):
        entries = [Entry(Step.AUTHORIZE, NOW * 1000, "one"), Entry(step, NOW * 1000, "two", reason)]
        found = diagnose(
            entries, now=NOW + 86_400, issuer="https://auth.test", resource="https://mcp.test/mcp"
        )
        assert found.summary
        assert "{" not in f"{found.summary} {found.missing} {found.causes} {found.advice}"
        if found.state in (State.STOPPED, State.REFUSED):
            assert found.causes
            assert found.advice
