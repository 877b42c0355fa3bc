"""What the Python drivers share: JSON lines on standard input and output, and a client that is told by them.

First comes the setup: `url`, `era`, `redirect_uri`, and `client_id` with `client_secret`, or `document_url`,
or neither. Then commands, each `{"do": …}`: `connect`, `list`, `call` with `tool` and `arguments`. The answer
is `{"ok": true, …}` or `{"ok": false, "error": …}`; before it the driver may say `{"authorize": URL}`, and
hears `{"callback": URL}`.
"""

import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import anyio


@dataclass(frozen=True, slots=True)
class Setup:
    """What a driver is told first."""

    url: str
    era: str
    redirect_uri: str
    client_id: str | None = None
    client_secret: str | None = None
    document_url: str | None = None

    @property
    def mode(self) -> str:
        """How both Python clients name the era; `auto` takes the newest that the server has."""
        return "auto" if self.era >= "2026" else "legacy"


class Session(Protocol):
    """A connected client."""

    async def list(self) -> list[str]:
        """Return the names of all tools."""

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Return a tool's structured content.

        Raises:
            Exception: whatever the client raises.
        """


async def ask_person(url: str) -> str:
    """Have the person go to a URL; return where that ends."""
    say(authorize=url)
    return str((await hear())["callback"])


def say(**message: Any) -> None:
    """Write a line."""
    print(json.dumps(message), flush=True)


async def hear() -> dict[str, Any]:
    """Read a line; empty at the end."""
    line = await anyio.to_thread.run_sync(sys.stdin.readline)
    return dict(json.loads(line)) if line else {}


def drive(connect: Callable[[Setup], AbstractAsyncContextManager[Session]]) -> None:
    """Do what is told with a client, until the input ends."""
    anyio.run(_drive, connect)


async def _drive(connect: Callable[[Setup], AbstractAsyncContextManager[Session]]) -> None:
    setup = Setup(**await hear())
    await hear()
    try:
        async with connect(setup) as session:
            say(ok=True)
            await _obey(session)
    except Exception as error:
        say(ok=False, error=_reason(error))


async def _obey(session: Session) -> None:
    while command := await hear():
        try:
            if command["do"] == "list":
                say(ok=True, tools=await session.list())
            else:
                say(ok=True, result=await session.call(command["tool"], command["arguments"]))
        except Exception as error:
            say(ok=False, error=_reason(error))


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
