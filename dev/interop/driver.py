"""A client's driver as a process that is told what to do, and the person whom it asks meanwhile."""

import asyncio
import json
import os
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from dev.flow import Browser
from dev.processes import STOP_SECONDS
from dev.waiting import until

ANSWER_SECONDS: Final = 45.0
_LISTEN_SECONDS: Final = 10.0
_PAUSE: Final = 0.05


class DriverError(Exception):
    """A driver ended or fell silent; the message has what it said last."""


@dataclass
class Person:
    """Signs in and consents. A client opens the person's browser by a program, or the driver says the URL.

    Attributes:
        untick: scopes that the person takes out of the next consent.
    """

    browser: Browser
    asked: Path
    untick: frozenset[str] = frozenset()
    _handled: int = 0

    async def visit(self, url: str) -> str:
        """Go through sign-in and consent; return where that leads."""
        return (await self.browser.approve(url, untick=self.untick)).url

    async def browse(self) -> None:
        """Visit whatever a client opens in the browser, and follow it back to the client, until cancelled."""
        while True:
            opened = self.asked.read_text(encoding="utf-8").splitlines() if self.asked.exists() else []
            for url in opened[self._handled :]:
                self._handled += 1
                await _go_back(await self.visit(url))
            await asyncio.sleep(_PAUSE)

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the variables by which programs find this person's browser."""
        program = folder / "browser"
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$1" >>{shlex.quote(str(self.asked))}\n', encoding="utf-8"
        )
        program.chmod(0o700)
        return {"BROWSER": str(program)}


async def _go_back(url: str) -> None:
    """Follow the redirect to a client, which may begin to listen only now."""

    async def arrived() -> bool:
        async with httpx.AsyncClient() as http:
            try:
                await http.get(url)
            except httpx.ConnectError:
                return False
        return True

    await until(arrived, _LISTEN_SECONDS)


@dataclass
class Driver:
    """A driver that runs."""

    process: asyncio.subprocess.Process
    person: Person
    log: Path
    said: list[Mapping[str, Any]] = field(default_factory=list)

    async def do(self, what: str, **details: Any) -> Mapping[str, Any]:
        """Tell it to do something; return its answer, `ok` and what belongs to it.

        Raises:
            DriverError: see there.
            FlowError, httpx.HTTPError: the person did not get through.
        """
        self.tell({"do": what, **details})
        browsing = asyncio.create_task(self.person.browse())
        answering = asyncio.create_task(self._answer(what))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await asyncio.wait({browsing, answering}, return_when=asyncio.FIRST_COMPLETED)
                if browsing.done():
                    await browsing
                return await answering
        except TimeoutError:
            raise DriverError(f"no answer to {what} in {ANSWER_SECONDS:g} s: {self._last()}") from None
        finally:
            for task in (browsing, answering):
                task.cancel()
            await asyncio.gather(browsing, answering, return_exceptions=True)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write a line to it."""
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _answer(self, what: str) -> Mapping[str, Any]:
        while self.process.stdout is not None and (line := await self.process.stdout.readline()):
            said: dict[str, Any] = json.loads(line)
            if "authorize" not in said:
                return said
            self.tell({"callback": await self.person.visit(said["authorize"])})
        raise DriverError(f"it ended at {what}: {self._last()}")

    def _last(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-1500:]


@asynccontextmanager
async def drive(
    command: Sequence[str], folder: Path, token: str, setup: Mapping[str, Any]
) -> AsyncIterator[Driver]:
    """Run a driver for the length of the block.

    Args:
        command: the program.
        folder: it is the client's home, and empty; what it says beside the protocol goes to `log` there.
        token: of Val Town, which its person signs in with.
        setup: what it is told first.
    """
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
        person = Person(Browser(http, token), folder / "asked")
        environ = {**os.environ, "HOME": str(folder), **person.environment(folder)}
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environ,
                cwd=folder,
                limit=1 << 22,
            )
        driver = Driver(process, person, folder / "log")
        driver.tell(setup)
        try:
            yield driver
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its input, by which a driver ends; kill one that does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
