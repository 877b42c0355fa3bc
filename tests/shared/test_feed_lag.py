"""A feed that delivers late is as old as what it delivers, however steadily it does so."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from shared.background import running
from shared.clock import Clock
from shared.redis.client import connect
from shared.revocation import CHANNEL, FRESH_SECONDS, RevocationList, deny_key
from tests.support.listening import listening
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

GRANT = "g" * 22
SECONDS = 14

# How every published message begins in RESP3.
_MESSAGE = b">3\r\n$7\r\nmessage\r\n"
_PARTS = re.compile(rb"(?=>3\r\n)")


class StillClock:
    """A monotonic clock that stands until it is turned."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Held:
    """A published message on its way, and when the store sent it."""

    sent_at: float
    data: bytes
    to: asyncio.StreamWriter


@dataclass
class SlowFeed:
    """A wire to the store; while `holding`, what is published waits on it until it is let through."""

    monotonic: StillClock
    url: str = ""
    holding: bool = False
    held: deque[Held] = field(default_factory=deque)
    _follower: asyncio.StreamWriter | None = None

    def let_through(self, until_sent_at: float) -> None:
        """Deliver what was sent up to then, in order."""
        while self.held and self.held[0].sent_at <= until_sent_at:
            message = self.held.popleft()
            message.to.write(message.data)

    def say(self, text: str) -> None:
        """Send a message of the test's own after what was let through."""
        if self._follower is not None:
            content = f"${len(CHANNEL)}\r\n{CHANNEL}\r\n${len(text)}\r\n{text}\r\n"
            self._follower.write(_MESSAGE + content.encode())

    async def serve(
        self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        store_reader, store_writer = await asyncio.open_connection(host, port)
        back = asyncio.create_task(self._back(store_reader, writer))
        try:
            with suppress(OSError):
                while data := await reader.read(65536):
                    store_writer.write(data)
        finally:
            back.cancel()
            for end in (writer, store_writer):
                end.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            for part in filter(None, _PARTS.split(data)):
                if part.startswith(_MESSAGE):
                    self._follower = writer
                if self.holding and part.startswith(_MESSAGE):
                    self.held.append(Held(self.monotonic.seconds, part, writer))
                else:
                    writer.write(part)


@asynccontextmanager
async def slow_feed(store_url: str, monotonic: StillClock) -> AsyncIterator[SlowFeed]:
    parts = urlsplit(store_url)
    feed = SlowFeed(monotonic)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await feed.serve(parts.hostname or "", parts.port or 6379, reader, writer)

    async with listening(serve) as port:
        feed.url = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        yield feed


@dataclass(frozen=True)
class Followed:
    """A list that follows the feed, and what its test turns."""

    list: RevocationList
    feed: SlowFeed
    monotonic: StillClock

    async def until_fresh(self) -> None:
        async def fresh() -> bool:
            return self.list.is_fresh()

        await until(fresh)

    async def second(self, *, lag: float) -> None:
        """Let a second pass in which a beat is sent; deliver what was sent `lag` seconds ago or before."""

        async def beat_is_on_its_way() -> bool:
            return any(message.sent_at == self.monotonic.seconds for message in self.feed.held)

        await until(beat_is_on_its_way)
        self.monotonic.seconds += 1
        self.feed.let_through(self.monotonic.seconds - lag)
        # Messages come in order: when this one is known, so are those before.
        marker = f"second-{self.monotonic.seconds}"
        self.feed.say(f"deny {marker} 1000")

        async def heard() -> bool:
            return self.list.is_revoked(marker, "token")

        await until(heard)


@pytest.fixture
async def followed(
    redis: Redis, redis_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Followed]:
    # A second of the clock that stands still does not have to take one.
    monkeypatch.setattr("shared.revocation.BEAT_SECONDS", 0.02)
    monotonic = StillClock()
    async with slow_feed(redis_url, monotonic) as feed, connect(feed.url) as slow:
        revocations = RevocationList(slow, clock, monotonic=monotonic)
        tasks = {"feed": revocations.run, "beats": revocations.send_beats}
        async with running(tasks, namespace="test"):
            state = Followed(revocations, feed, monotonic)
            await state.until_fresh()
            feed.holding = True
            yield state


async def ages_with(followed: Followed, lag: Callable[[int], float]) -> list[float]:
    """Return the list's age after each second, with a lag that depends on how many have passed."""
    ages = []
    for number in range(1, SECONDS + 1):
        await followed.second(lag=lag(number))
        ages.append(followed.list.age())
    return ages


async def test_a_feed_that_falls_behind_more_and_more_is_no_proof_although_beats_keep_coming(
    followed: Followed, redis: Redis
) -> None:
    # A message takes as long as half of the time that has passed: every other second one arrives.
    ages = await ages_with(followed, lambda number: number / 2)
    assert all(age >= number / 2 for number, age in enumerate(ages, start=1))
    assert max(ages[:4]) < FRESH_SECONDS
    assert not followed.list.is_fresh()
    # It is late, and not silent.
    assert ages[-1] < SECONDS
    # What is revoked now is not known here, and the list does not claim that it would be.
    await redis.set(deny_key(GRANT), "1", ex=100)
    await redis.publish(CHANNEL, f"deny {GRANT} 100")
    assert not followed.list.is_revoked(GRANT, "token")
    followed.feed.holding = False
    followed.feed.let_through(followed.monotonic.seconds)
    await followed.until_fresh()
    assert followed.list.is_revoked(GRANT, "token")


async def test_a_feed_that_is_always_a_little_late_is_a_proof(followed: Followed) -> None:
    ages = await ages_with(followed, lambda _number: 2)
    assert max(ages) < FRESH_SECONDS
    assert min(ages[2:]) >= 2
