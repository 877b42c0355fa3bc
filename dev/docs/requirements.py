"""docs/requirements.md: each requirement, where it comes from, and the tests that prove it."""

from collections.abc import Mapping, Sequence

from dev.docs.table import NOTICE, table
from tests.requirements import GROUPS
from tests.requirements.entry import Requirement
from tests.requirements.proofs import find_proofs, summarise

_INTRODUCTION = """\
# Requirements

What the standards demand and known attacks try, each with the tests that decide it here. A test carries the
ids of what it proves (`@requirement("O12")`); the suite fails on a requirement that has neither a test nor a
reason, and on an id that is not listed. How much of each standard there is: [standards.md](standards.md).
"""


def document() -> str:
    """Return the document."""
    proofs = find_proofs()
    parts = [NOTICE.format(source="tests/requirements"), _INTRODUCTION.rstrip(), f"{_count(proofs)}"]
    for title, entries in GROUPS.items():
        rows = [_row(id_, entry, proofs.get(id_, ())) for id_, entry in entries.items()]
        parts += [f"## {title}", table(("id", "source", "behaviour", "tests"), rows)]
    return "\n\n".join(parts) + "\n"


def _count(proofs: Mapping[str, Sequence[str]]) -> str:
    return summarise(proofs).removeprefix("requirements: ").capitalize() + "."


def _row(id_: str, entry: Requirement, tests: Sequence[str]) -> tuple[str, str, str, str]:
    shown = [_link(test) for test in tests]
    if entry.reason:
        shown.append(f"*{entry.reason}*")
    return id_, entry.source, entry.behaviour, "<br>".join(shown)


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})"
