"""Which tests carry which requirement: read from the tests' source, so that a partial run counts them all."""

import ast
from collections.abc import Iterator, Mapping, Sequence
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


def find_unproved(proofs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the ids that have neither a test nor a written reason."""
    return [id_ for id_, entry in REQUIREMENTS.items() if id_ not in proofs and not entry.reason]


def summarise(proofs: Mapping[str, Sequence[str]]) -> str:
    """Return the count, in one line."""
    excused = [id_ for id_, entry in REQUIREMENTS.items() if id_ not in proofs and entry.reason]
    unproved = find_unproved(proofs)
    line = f"requirements: {len(proofs)} proved, {len(excused)} without a test for a written reason"
    return f"{line}, {len(unproved)} open" if unproved else line


def _marks(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                yield from ((id_, node.name) for id_ in _ids(decorator))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            # A mark of the whole file, or a test that is made by a call.
            yield from ((id_, node.targets[0].id) for id_ in _ids(node.value))


def _ids(expression: ast.expr) -> Iterator[str]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "requirement":
            yield from (ast.literal_eval(argument) for argument in node.args)
