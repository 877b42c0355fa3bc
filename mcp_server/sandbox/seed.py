"""The example vals of a fresh store, so that lists are not empty; their ids are the same in every store."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid5

from mcp_server.sandbox import branches, files, telemetry, vals
from mcp_server.sandbox.accounts import ADA, GRACE, Account
from mcp_server.sandbox.parameters import Privacy
from mcp_server.sandbox.store import Session, Store
from mcp_server.sandbox.tree import EntryType

_NAMESPACE = UUID("5a4db0c5-0000-4000-8000-000000000000")


@dataclass(frozen=True, slots=True)
class Noted:
    """A run to begin with: of which file, what it was called, what it said, how it failed."""

    path: str
    name: str
    lines: tuple[str, ...]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A val to begin with."""

    owner: Account
    name: str
    privacy: Privacy
    description: str
    files: tuple[tuple[str, EntryType, str], ...]
    runs: tuple[Noted, ...] = ()


EXAMPLES = (
    Example(
        ADA,
        "hello-http",
        "public",
        "Answers every request with a greeting",
        (
            ("README.md", "file", "# hello-http\n\nOpen the endpoint of `main.ts`.\n"),
            (
                "main.ts",
                "http",
                'import { greet } from "./lib/greet.ts";\n\n'
                "export default function (request: Request): Response {\n"
                '  const name = new URL(request.url).searchParams.get("name") ?? "world";\n'
                "  return new Response(greet(name));\n"
                "}\n",
            ),
            (
                "lib/greet.ts",
                "script",
                "export function greet(name: string): string {\n  return `Hello, ${name}!`;\n}\n",
            ),
        ),
    ),
    Example(
        ADA,
        "nightly-report",
        "private",
        "Runs every night and mails what it counted",
        (
            (
                "report.ts",
                "interval",
                'import { email } from "https://esm.town/v/std/email";\n\n'
                "export default async function () {\n"
                '  await email({ subject: "Nightly report", text: "All quiet." });\n'
                "}\n",
            ),
        ),
        (
            Noted("report.ts", "interval", ("Counting", "All quiet.")),
            Noted("report.ts", "interval", ("Counting",), "TypeError: counts is not iterable"),
        ),
    ),
    Example(
        GRACE,
        "counter",
        "public",
        "Counts its visitors",
        (
            (
                "main.ts",
                "http",
                "let visits = 0;\n\nexport default () => new Response(`Visit ${++visits}`);\n",
            ),
        ),
    ),
)


def plant(store: Store) -> None:
    """Add the examples to a store that has no vals yet."""
    ids = _ids()
    with store.writing(new_id=lambda: next(ids)) as session:
        if session.connection.execute("SELECT 1 FROM vals LIMIT 1").fetchone() is None:
            for example in EXAMPLES:
                _plant(session, example)


def _plant(session: Session, example: Example) -> None:
    val = vals.create(session, example.owner, example.name, example.privacy, example.description)
    for path, kind, content in example.files:
        files.create(session, branches.find(session, val, None), path, kind, content)
    for run in example.runs:
        entry = files.find(session, branches.find(session, val, None), run.path)
        telemetry.note(session, entry, run.name, run.lines, run.error)


def _ids() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield str(uuid5(_NAMESPACE, str(number)))
