"""docs/standards.md: each standard, and how much of it is there."""

from dev.docs.table import NOTICE, table
from tests.requirements.standards import STANDARDS

_INTRODUCTION = """\
# Standards

What binds an authorization server or a resource server like these two, and how much of it is there.
*Complete* means all of it; *partial* means that something is missing or left out on purpose, and the last
column says what; *none* means that nothing of it works and that metadata do not offer it.
"""


def document() -> str:
    """Return the document."""
    rows = [(one.name, one.title, one.level.value, one.note) for one in STANDARDS]
    notice = NOTICE.format(source="tests/requirements/standards.py")
    return f"{notice}\n\n{_INTRODUCTION}\n{table(('standard', 'about', 'level', 'what to know'), rows)}\n"
