"""Takes records from requests and has a thread write them: bounded, best effort, never in their way.

A record that finds no room, or that the disk does not take, is counted, and the next record that can be
written says how many are missing.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from shared.audit.acting import Acting, acting
from shared.audit.chain import ChainKey
from shared.audit.events import BY_ANYBODY, REASONS, Event, Outcome
from shared.audit.files import AuditFiles, Head, moment
from shared.audit.heads import HeadStore
from shared.clock import Clock
from shared.flows.steps import Reason
from shared.logs import get_logger
from shared.metrics import AUDIT_DROPPED, AUDIT_RECORDS
from shared.redis.client import StoreError
from shared.settings import ServiceSettings

FLUSH_SECONDS: Final = 0.5
"""How often what waits is written; a process that is killed loses so much."""

HEAD_SECONDS: Final = 1.0
"""How often the store is told how far the file has come."""

CLOSE_SECONDS: Final = 2.0
"""How long a stop waits for a disk."""

MOST_WAITING: Final = 8192
MOST_WAITING_BYTES: Final = 16 * 1024 * 1024
"""Of the bodies that waiting records hold on to."""

STRANGERS_BURST: Final = 1000
STRANGERS_PER_SECOND: Final = 5.0
"""Records of requests in which nobody is known: a flood of them must not fill the disk."""

_HURRY: Final = 512
_LONGEST: Final = 2048
_CAUSES: Final = ("queue", "disk", "flood")

_log = get_logger("audit")


class _Waiting(NamedTuple):
    """A record as the request leaves it."""

    at: float
    event: Event
    outcome: Outcome
    reason: str
    request_id: str
    subject: str
    client_id: str
    grant_id: str
    token_id: str
    flow: str
    name: str
    scopes: Sequence[str]
    resource: str
    vals: int
    arguments: object
    size: int


@dataclass(slots=True)
class _Lost:
    """Records that were dropped, by cause; `told` of them in the log. Each cause is counted by one thread."""

    counts: dict[str, int]
    told: dict[str, int]

    @classmethod
    def none(cls) -> "_Lost":
        return cls(dict.fromkeys(_CAUSES, 0), dict.fromkeys(_CAUSES, 0))

    def untold(self) -> dict[str, int]:
        return {cause: count - self.told[cause] for cause, count in self.counts.items()}


class AuditLog:
    """Where decisions are told. Telling one takes about a microsecond and cannot fail."""

    def __init__(self, files: AuditFiles | None, clock: Clock) -> None:
        """Take the files, None for no log at all, and the clock."""
        self._files = files
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._weighed_in = 0
        self._weighed_out = 0
        self._strangers = float(STRANGERS_BURST)
        self._strangers_at = 0.0
        self._lost = _Lost.none()
        self._failing = False
        self._hurry = threading.Event()
        self._ending = threading.Event()
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, settings: ServiceSettings, clock: Clock, *, service: str, replica: str) -> "AuditLog":
        """Return the log that the settings ask for.

        Raises:
            SettingsError: the settings have no key.
        """
        if not settings.audit_log_dir:
            return cls(None, clock)

        def now() -> int:
            return int(clock.now() * 1000)

        key = ChainKey(settings.sealer)
        return cls(
            AuditFiles(Path(settings.audit_log_dir), key, now, service=service, replica=replica), clock
        )

    @property
    def is_on(self) -> bool:
        """Whether anything that is told is written."""
        return self._files is not None

    def note(
        self,
        event: Event,
        outcome: Outcome,
        reason: str = "",
        *,
        subject: str = "",
        client_id: str = "",
        grant_id: str = "",
        token_id: str = "",
        name: str = "",
        scopes: Sequence[str] = (),
        resource: str = "",
        vals: int = 0,
        arguments: object = None,
    ) -> None:
        """Tell a decision; what `acting()` knows of the request is added.

        Args:
            event: what was decided.
            outcome: how it went.
            reason: why, one of `REASONS`.
            subject: the person; here and below only when it is not who acts.
            client_id: the app.
            grant_id: the grant.
            token_id: `jti` of an access token.
            name: of a tool, resource or prompt, as this server names it.
            scopes: what was granted or needed.
            resource: for which tokens are.
            vals: how many vals it is limited to; 0: not limited.
            arguments: a JSON value nobody changes any more; only its keyed digest is written.
        """
        if self._files is None:
            return
        known: Acting = acting()
        at = self._clock.now()
        # The id of a grant may be one that a stranger names.
        if (
            not (subject or known.subject)
            and (outcome is not Outcome.ALLOWED or event in BY_ANYBODY)
            and not self._admits_stranger(at)
        ):
            self._drop("flood")
            return
        size = 0 if arguments is None else known.size
        if (
            len(self._waiting) >= MOST_WAITING
            or self._weighed_in - self._weighed_out + size > MOST_WAITING_BYTES
        ):
            self._drop("queue")
            return
        self._weighed_in += size
        self._waiting.append(
            _Waiting(
                at,
                event,
                outcome,
                reason,
                known.request_id,
                subject or known.subject,
                client_id or known.client_id,
                grant_id or known.grant_id,
                token_id or known.token_id,
                known.flow,
                name,
                scopes,
                resource,
                vals,
                arguments,
                size,
            )
        )
        if len(self._waiting) == _HURRY:
            self._hurry.set()

    def note_pruned(self, ends: Mapping[str, Head]) -> None:
        """Write at once, which only a command may, that files are removed on purpose.

        Args:
            ends: name of each file → how far it had come.

        Raises:
            OSError: it is not written.
        """
        if self._files is not None:
            self._files.append([_tombstone(ends, self._now())])

    def start(self) -> None:
        """Begin to write, in a thread."""
        if self._files is None:
            return
        loop = asyncio.get_running_loop()

        def run() -> None:
            self._run()
            # After a stop that did not wait there is no loop any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ended.set)

        self._thread = threading.Thread(target=run, name="audit", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Write what waits and end the file; a disk that does not answer is waited for CLOSE_SECONDS."""
        if self._files is None:
            return
        if self._thread is None:
            self._finish()
            return
        self._ending.set()
        self._hurry.set()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            _log.error("the audit log does not take its last records", waiting=len(self._waiting))

    async def keep_heads(self, store: HeadStore) -> None:
        """Tell the store how far the files have come, until cancelled."""
        while True:
            await asyncio.sleep(HEAD_SECONDS)
            await self.flush_heads(store)

    async def flush_heads(self, store: HeadStore) -> None:
        """Tell the store how far the files have come, if they grew; what it does not take waits."""
        if self._files is None:
            return
        heads: Mapping[str, Head] = self._files.take_heads()
        if not heads:
            return
        try:
            await store.keep(heads)
        except (StoreError, OSError) as error:
            self._files.put_back(heads)
            _log.debug("heads not kept yet", reason=type(error).__name__)

    def _admits_stranger(self, at: float) -> bool:
        passed = max(at - self._strangers_at, 0.0)
        self._strangers_at = at
        self._strangers = min(self._strangers + passed * STRANGERS_PER_SECOND, STRANGERS_BURST)
        if self._strangers < 1:
            return False
        self._strangers -= 1
        return True

    def _drop(self, cause: str, records: int = 1) -> None:
        self._lost.counts[cause] += records
        AUDIT_DROPPED.of(cause).value += records

    def _run(self) -> None:
        while not self._ending.is_set():
            self._write()
            self._hurry.wait(FLUSH_SECONDS)
            self._hurry.clear()
        self._finish()

    def _finish(self) -> None:
        self._write()
        try:
            if self._files is not None:
                self._files.close()
        except OSError as error:
            _log.error("the audit log has no end", reason=type(error).__name__)

    def _write(self) -> None:
        try:
            while self._write_some():
                pass
        except Exception:
            # Without this thread there is no log any more.
            _log.exception("audit log failed")

    def _write_some(self) -> bool:
        """Write one batch; return whether there may be more to write now."""
        files = self._files
        if files is None:
            return False
        batch = [self._waiting.popleft() for _ in range(min(_HURRY, len(self._waiting)))]
        untold = self._lost.untold()
        gap = [self._gap(untold)] if any(untold.values()) else []
        # The services' file is there from the start, with or without records; commands' only when needed.
        if not batch and not gap and (files.is_open or self._thread is None):
            return False
        records = [*gap, *(self._members(each, files) for each in batch)]
        self._weighed_out += sum(each.size for each in batch)
        try:
            files.append(records)
        except OSError as error:
            self._drop("disk", len(batch))
            if not self._failing:
                # Once: it is tried again twice a second.
                _log.error("the audit log cannot be written", reason=f"{type(error).__name__}: {error}")
            self._failing = True
            return False
        if self._failing:
            _log.warning("the audit log is written again")
        self._failing = False
        for cause, count in untold.items():
            self._lost.told[cause] += count
        AUDIT_RECORDS.of().value += len(batch)
        return bool(self._waiting)

    def _now(self) -> str:
        return moment(int(self._clock.now() * 1000))

    def _gap(self, untold: Mapping[str, int]) -> dict[str, object]:
        causes = {cause: count for cause, count in untold.items() if count}
        return {
            "at": self._now(),
            "event": Event.GAP,
            "outcome": Outcome.FAILED,
            "records": sum(causes.values()),
            "causes": causes,
        }

    def _members(self, waiting: _Waiting, files: AuditFiles) -> dict[str, object]:
        reason = waiting.reason
        members: dict[str, object] = {
            "at": moment(int(waiting.at * 1000)),
            "event": waiting.event,
            "outcome": waiting.outcome,
            "reason": reason if not reason or reason in REASONS else Reason.OTHER,
            "subject": waiting.subject[:_LONGEST],
            "client_id": waiting.client_id[:_LONGEST],
            "grant_id": waiting.grant_id[:_LONGEST],
            "token_id": waiting.token_id[:_LONGEST],
            "flow": waiting.flow,
            "request_id": waiting.request_id,
            "name": waiting.name,
            "scopes": " ".join(waiting.scopes),
            "resource": waiting.resource,
            "vals": waiting.vals,
            "arguments": "" if waiting.arguments is None else _digest(files, waiting.arguments),
        }
        return {name: value for name, value in members.items() if value}


def _tombstone(ends: Mapping[str, Head], at: str) -> dict[str, object]:
    return {
        "at": at,
        "event": Event.PRUNED,
        "outcome": Outcome.ALLOWED,
        "reason": Reason.BY_OPERATOR,
        "files": {name: [head.seq, head.mac] for name, head in ends.items()},
    }


def _digest(files: AuditFiles, arguments: object) -> str:
    try:
        return files.digest(arguments)
    except (ValueError, TypeError, RecursionError):
        return "unreadable"
