"""The manifest and the tests that carry its ids say the same, whichever part of the suite is run."""

import pytest

from tests.requirements import REQUIREMENTS, requirement
from tests.requirements.proofs import find_proofs, find_unproved, summarise


def test_an_id_that_is_not_in_the_manifest_cannot_be_carried() -> None:
    with pytest.raises(KeyError, match="O99"):
        requirement("O1", "O99")
    assert requirement("O1").mark.args == ("O1",)


def test_every_id_that_a_test_carries_is_in_the_manifest() -> None:
    assert sorted(set(find_proofs()) - set(REQUIREMENTS)) == []


def test_every_requirement_has_a_test_or_a_reason_for_having_none() -> None:
    assert find_unproved(find_proofs()) == []
    assert find_unproved({}) == [id_ for id_, entry in REQUIREMENTS.items() if not entry.reason]


def test_what_is_said_to_have_no_test_has_none() -> None:
    claimed = [id_ for id_, entry in REQUIREMENTS.items() if "no test decides it" in entry.reason]
    assert sorted(set(claimed) & set(find_proofs())) == []


def test_the_count_tells_proved_from_excused_and_open() -> None:
    all_proved = summarise({id_: ["a test"] for id_ in REQUIREMENTS})
    assert all_proved.endswith(f" {len(REQUIREMENTS)} proved, 0 without a test for a written reason")
    assert summarise({"O1": ["a test"]}).startswith("requirements: 1 proved, ")
    assert summarise({"O1": ["a test"]}).endswith(" open")
