"""Which tests carry which requirement: read from the tests' source, so that a partial run counts them all."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.requirements import REQUIREMENTS

ROOT = Path(__file__).resolve().parent.parent.parent


def find_proofs() -> dict[str, list[str]]:
    """Return for each id with a test its tests, as `path::name`, in order of path and line."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "requirement(" not in text:
            continue
        for id_, name in _marks(ast.parse(text)):
            tests = found.setdefault(id_, [])
            test = f"{path.relative_to(ROOT).as_posix()}::{name}"
            if test not in tests:
                tests.append(test)
    return found


def find_unproved(proofs: dict[str, list[str]]) -> list[str]:
    """Return the ids that have neither a test nor a written reason."""
    return [id_ for id_, entry in REQUIREMENTS.items() if id_ not in proofs and not entry.reason]


def summarise(proofs: dict[str, list[str]]) -> str:
    """Return the count, in one line."""
    excused = [id_ for id_, entry in REQUIREMENTS.items() if id_ not in proofs and entry.reason]
    unproved = find_unproved(proofs)
    line = f"requirements: {len(proofs)} proved, {len(excused)} without a test for a written reason"
    return f"{line}, {len(unproved)} open" if unproved else line


def _marks(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                for id_ in _ids(decorator):
                    yield id_, node.name


def _ids(decorator: ast.expr) -> Iterator[str]:
    for node in ast.walk(decorator):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "requirement":
            for argument in node.args:
                yield ast.literal_eval(argument)
