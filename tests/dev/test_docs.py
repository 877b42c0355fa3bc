"""Documents that are made from code say what the code says."""

import pytest

from dev.docs import DOCUMENTS, ROOT
from dev.docs.table import table


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_is_made_from_code_is_not_stale(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == DOCUMENTS[name](), f"{name} is stale: make docs"


def test_a_bar_in_a_cell_stays_in_its_cell() -> None:
    assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |"
