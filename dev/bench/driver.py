"""A load of our own, one process: `python -m dev.bench.driver`, orders as JSON on standard input.

Closed: each connection asks again as soon as it is answered, as wrk does. Paced: requests are due at moments
that do not depend on the answers, and their time counts from then, also while no connection is free; so a
server that stalls is seen to stall. Due moments are random (Poisson), with the same seed each time.

Several bodies take turns; with `once` each is sent once, however long that takes. Prints JSON: answers a
second, percentiles of the latency in milliseconds, and how often each status came.
"""

import itertools
import json
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httptools

_SEED: Final = 20
PUT_OFF_SECONDS: Final = 5.0
"""What a request counts as that was put off with 503: whoever sent it comes back some seconds later."""

_LAST_ANSWERS_SECONDS: Final = 5.0
"""How long answers are waited for after the last request was due."""


@dataclass
class Tally:
    """What came back: latencies in seconds, and how often each status."""

    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds that so many are not above; 0 when there is none."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Lane:
    """One connection; it carries one request at a time."""

    def __init__(self, address: tuple[str, int], tally: Tally) -> None:
        """Connect.

        Raises:
            OSError: nobody listens.
        """
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_free = True
        self._tally = tally
        self._due = 0.0
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request whose time counts from `due`."""
        self._due, self.is_free = due, False
        self.socket.sendall(request)

    def read(self) -> None:
        """Take in what has come.

        Raises:
            ConnectionError: the server hung up.
        """
        content = self.socket.recv(1 << 16)
        if not content:
            raise ConnectionError("the server closed a connection")
        self._parser.feed_data(content)

    def on_message_complete(self) -> None:
        """Count an answer; httptools calls this."""
        self.is_free = True
        status = self._parser.get_status_code()
        taken = time.perf_counter() - self._due
        self._tally.latencies.append(taken if status != 503 else max(taken, PUT_OFF_SECONDS))
        self._tally.statuses[status] = self._tally.statuses.get(status, 0) + 1


def closed(lanes: Sequence[Lane], requests: Iterator[bytes], seconds: float) -> float:
    """Ask on every lane without a pause, until time or requests are over; return the seconds it took."""
    began = time.perf_counter()
    waiting: dict[socket.socket, Lane] = {}
    for lane, request in zip(lanes, requests, strict=False):
        lane.ask(request, time.perf_counter())
        waiting[lane.socket] = lane
    while waiting and (now := time.perf_counter()) < began + seconds:
        for ready in select.select(list(waiting), [], [], began + seconds - now)[0]:
            lane = waiting[ready]
            lane.read()
            if not lane.is_free:
                continue
            if (next_one := next(requests, None)) is None:
                del waiting[ready]
            else:
                lane.ask(next_one, time.perf_counter())
    return time.perf_counter() - began


def paced(lanes: Sequence[Lane], requests: Iterator[bytes], seconds: float, rate: float) -> float:
    """Ask so many times a second, whatever becomes of the requests before; return the seconds it took."""
    dice = random.Random(_SEED)
    free, by_socket = deque(lanes), {lane.socket: lane for lane in lanes}
    began = time.perf_counter()
    due = began
    ends = began + seconds
    while (now := time.perf_counter()) < ends + _LAST_ANSWERS_SECONDS:
        while free and due <= now and due < ends:
            free.popleft().ask(next(requests), due)
            due += dice.expovariate(rate)
        if due >= ends and len(free) == len(lanes):
            break
        # select, because it alone counts its timeout in microseconds.
        pause = due - now if free and due < ends else ends + _LAST_ANSWERS_SECONDS - now
        for ready in select.select(list(by_socket), [], [], max(0.0, pause))[0]:
            by_socket[ready].read()
            if by_socket[ready].is_free:
                free.append(by_socket[ready])
    return min(time.perf_counter() - began, seconds)


def raw_requests(order: Mapping[str, Any]) -> list[bytes]:
    """Return the requests that take turns, as bytes: one for each body and, beside the first, each token."""
    parts = urlsplit(order["url"])
    lines = "".join(
        f"{name}: {value}\r\n" for name, value in {"Host": parts.netloc, **order["headers"]}.items()
    )
    tokens = [f"Authorization: Bearer {token}\r\n" for token in order["tokens"]] or [""]
    made = []
    for body, credential in itertools.zip_longest(order["bodies"], tokens):
        content = (order["bodies"][0] if body is None else body).encode()
        head = f"POST {parts.path} HTTP/1.1\r\n{lines}{tokens[0] if credential is None else credential}"
        made.append(f"{head}Content-Length: {len(content)}\r\n\r\n".encode("ascii") + content)
    return made


def main() -> None:
    """Carry out the orders."""
    order = json.load(sys.stdin)
    parts = urlsplit(order["url"])
    tally = Tally()
    lanes = [Lane((str(parts.hostname), int(parts.port or 80)), tally) for _ in range(order["connections"])]
    requests = raw_requests(order)
    turns = iter(requests) if order["once"] else itertools.cycle(requests)
    if order["rate"]:
        seconds = paced(lanes, turns, order["seconds"], order["rate"])
    else:
        seconds = closed(lanes, turns, order["seconds"])
    answer = {
        "rate": len(tally.latencies) / seconds,
        "p50": tally.percentile(0.5),
        "p99": tally.percentile(0.99),
        "statuses": tally.statuses,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
