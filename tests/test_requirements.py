"""The manifest and the tests that carry its ids say the same."""

import pytest

from tests.requirements import REQUIREMENTS, requirement
from tests.requirements.proofs import find_proofs


def test_an_id_that_is_not_in_the_manifest_cannot_be_carried() -> None:
    with pytest.raises(KeyError, match="O99"):
        requirement("O1", "O99")
    assert requirement("O1").mark.args == ("O1",)


def test_every_id_that_a_test_carries_is_in_the_manifest() -> None:
    assert sorted(set(find_proofs()) - set(REQUIREMENTS)) == []
