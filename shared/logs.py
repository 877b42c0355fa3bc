"""JSON logs, one object a line, in which no credential can appear; DEBUG namespaces as in npm's debug."""

import atexit
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, TextIO, cast

import structlog

from shared.audit import acting
from shared.log_output import LogOutput

REDACTED: Final = "[redacted]"

_SECRET_NAMES: Final = frozenset(
    {
        "access_token",
        "api_token",
        "assertion",
        "authorization",
        "client_assertion",
        "client_secret",
        "code",
        "code_challenge",
        "code_verifier",
        "cookie",
        "credential",
        "csrf",
        "encryption_key",
        "handle",
        "id_token",
        "key",
        "password",
        "private_key",
        "refresh_token",
        "registration_access_token",
        "secret",
        "session",
        "set_cookie",
        "state",
        "token",
        "txn",
        "verifier",
    }
)

# What a secret looks like wherever it turns up: our prefixes, Val Town's, any JWT, any authorization header.
_SECRET_SHAPES: Final = re.compile(
    r"(?<![A-Za-z0-9_\-])(?:"
    r"vt(?:ac|br|cs|r|ss|tx|wn)_[A-Za-z0-9_\-.]+"
    r"|eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){1,4}"
    r")"
    r"|(?i:bearer|basic)\s+[A-Za-z0-9_\-.~+/=%]{6,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?i:\b(?:code|state|token|access_token|refresh_token|client_secret|code_verifier|api_token))"
    r"(?:=|\\?\"\s*:\s*\\?\")[^&\s\"']+"
    r"|(?<=://)[^/@\s]*@"
    r"|(?i:\b(?:x-val-town-token|cookie):)[^\r\n]+",
    re.DOTALL,
)


# No shape fits such a text without "vt" in it: each of the others asks for some other character.
_ONE_WORD: Final = re.compile(r"[A-Za-z0-9_\-]*")

_KEPT_HEADS: Final = 256

trace_of_line: Callable[[], str | None] | None = None
"""Tells the id of the trace that a line belongs to; None while there are no traces."""


def redact(value: object) -> object:
    """Return the value with everything that looks like a credential replaced, in strings at any depth."""
    if isinstance(value, str):
        return _redact_text(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {_redact_text(str(name)): _redact_member(str(name), member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, int | float | bool) or value is None:
        return value
    return _redact_text(str(value))


def _redact_text(text: str) -> str:
    # Most of what is logged is an id or a word, and the shapes take ten times as long to say so.
    if "vt" not in text and _ONE_WORD.fullmatch(text):
        return text
    return _SECRET_SHAPES.sub(REDACTED, text)


@lru_cache(maxsize=256)
def _redacted_event(event: str) -> str:
    # There are few, and they come again.
    return _SECRET_SHAPES.sub(REDACTED, event)


def _redact_member(name: str, value: object) -> object:
    if name.lower().replace("-", "_") in _SECRET_NAMES and value not in (None, ""):
        return REDACTED
    return redact(value)


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _redact_member(name, value) for name, value in event.items()}


def _add_request(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    known = acting.acting()
    told = {"request_id": known.request_id, "flow": known.flow}
    return {**{name: value for name, value in told.items() if value}, **event}


def _add_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    trace_id = trace_of_line() if trace_of_line else None
    return {**event, "trace_id": trace_id} if trace_id else event


class DebugNamespaces:
    """Which namespaces DEBUG switches on: a comma list with `*`, `-name` excluding, as in npm's debug."""

    def __init__(self, debug: str) -> None:
        """Take the value of DEBUG, e.g. `oauth:*,-oauth:token`."""
        patterns = [pattern for pattern in re.split(r"[\s,]+", debug) if pattern]
        self._excluded = [pattern[1:] for pattern in patterns if pattern.startswith("-")]
        self._included = [pattern for pattern in patterns if not pattern.startswith("-")]
        self._known: dict[str, bool] = {}

    def enabled(self, namespace: str) -> bool:
        """Return whether debug lines of this namespace are written."""
        known = self._known.get(namespace)
        if known is None:
            included = _matches(namespace, self._included)
            known = self._known[namespace] = included and not _matches(namespace, self._excluded)
        return known


def _matches(namespace: str, patterns: Iterable[str]) -> bool:
    # Brackets are no wildcards in npm's debug.
    return any(fnmatchcase(namespace, pattern.replace("[", "[[]")) for pattern in patterns)


def configure(service: str, debug: str = "", stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logs to one stream of JSON lines.

    Args:
        service: the value of `service` on every line.
        debug: the value of DEBUG.
        stream: where to write; standard output when None.
    """
    shared_processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]

    def add_service(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"service": service, **event}

    lines = LogOutput(stream or sys.stdout, note=lambda count: _dropped_line(service, count))
    atexit.register(lines.finish)
    output = cast(TextIO, lines)
    global _configured  # where a process logs is a fact about the process
    _configured = _Configured(service, DebugNamespaces(debug), lines)
    structlog.configure(
        processors=[
            *shared_processors,
            _add_request,
            add_service,
            _add_trace,
            _redact_event,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared_processors, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _add_request,
                add_service,
                _redact_event,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


def _dropped_line(service: str, count: int) -> str:
    line = {"service": service, "event": "log lines dropped", "count": count, "level": "warning"}
    return json.dumps({**line, "timestamp": _timestamp()}) + "\n"


class _Seconds:
    """The time to the second as text, made once a second."""

    at = 0
    text = ""


def _timestamp() -> str:
    now = time.time_ns()
    second, rest = divmod(now, 1_000_000_000)
    if second != _Seconds.at:
        _Seconds.text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _Seconds.at = second
    return f"{_Seconds.text}.{rest // 1000:06}Z"


@dataclass(frozen=True, slots=True)
class _Configured:
    """What `configure` was told, and beginnings of lines of requests that are written again and again."""

    service: str
    debug: DebugNamespaces
    output: LogOutput
    heads: dict[tuple[str, str, str, int], str] = field(default_factory=dict)

    def head(self, namespace: str, method: str, path: str, status: int) -> str:
        """Return how the line of such a request begins, up to the milliseconds."""
        line = {
            "service": self.service,
            "namespace": namespace,
            "event": "request",
            "level": "info",
            "method": method,
            "path": _SECRET_SHAPES.sub(REDACTED, path),
            "status": status,
        }
        head = json.dumps(line)[:-1] + ', "ms": '
        if len(self.heads) >= _KEPT_HEADS:
            del self.heads[next(iter(self.heads))]
        self.heads[namespace, method, path, status] = head
        return head


_configured: _Configured | None = None


class Logger:
    """The logger of a namespace such as `oauth:token`. Fields are redacted; see `redact`."""

    def __init__(self, namespace: str) -> None:
        """Take the namespace."""
        self._namespace = namespace
        self._structlog = structlog.get_logger(namespace=namespace)

    def debug(self, event: str, **fields: object) -> None:
        """Write a line if DEBUG names this namespace."""
        configured = _current()
        # Before anything is put together: a debug line that is off must cost nothing.
        if configured is None or configured.debug.enabled(self._namespace):
            self._structlog.debug(event, **fields)

    def info(self, event: str, **fields: object) -> None:
        """Write a line about something that went as it should.

        Many requests write one, and structlog takes longer for it than most of what they do.
        """
        configured = _current()
        if configured is None:
            self._structlog.info(event, **fields)
            return
        line: dict[str, object] = {"service": configured.service, "namespace": self._namespace}
        line |= {name: _redact_member(name, value) for name, value in fields.items()}
        line["event"] = _redacted_event(event)
        known = acting.acting()
        if known.request_id:
            line.setdefault("request_id", known.request_id)
        if known.flow:
            line.setdefault("flow", known.flow)
        line |= {"level": "info", "timestamp": _timestamp()}
        if trace_of_line and (trace_id := trace_of_line()):
            line["trace_id"] = trace_id
        configured.output.write_soon(json.dumps(line) + "\n")

    def warning(self, event: str, **fields: object) -> None:
        """Write a line about something an operator may have to look at."""
        self._structlog.warning(event, **fields)

    def error(self, event: str, **fields: object) -> None:
        """Write a line about something that failed."""
        self._structlog.error(event, **fields)

    def exception(self, event: str, **fields: object) -> None:
        """Write a line about something that failed, with the exception that is being handled."""
        self._structlog.exception(event, **fields)

    def request(
        self, request_id: str, method: str, path: str, status: int, milliseconds: float, flow: str = ""
    ) -> None:
        """Write the line of one request: what `info` would write, at a thirtieth of its cost.

        Only the path is the caller's own text, so it alone is redacted. The line goes out when this turn of
        the event loop is over, together with those of other requests.
        """
        configured = _current()
        if configured is None:
            fields = {"method": method, "path": path, "status": status, "ms": round(milliseconds, 2)}
            self._structlog.info("request", **fields, **({"flow": flow} if flow else {}))
            return
        head = configured.heads.get((self._namespace, method, path, status))
        if head is None:
            head = configured.head(self._namespace, method, path, status)
        line = f'{head}{milliseconds:.2f}, "request_id": "{request_id}", "timestamp": "{_timestamp()}"'
        if flow:
            line += f', "flow": {json.dumps(flow)}'
        if trace_of_line and (trace_id := trace_of_line()):
            line += f', "trace_id": "{trace_id}"'
        configured.output.write_soon(line + "}\n")


def bind(*, flow: str) -> None:
    """Put the id of an authorization attempt on every further log line of the request being answered."""
    acting.learn(flow=flow)


def get_logger(namespace: str) -> Logger:
    """Return the logger of a namespace such as `oauth:token`; its debug lines depend on DEBUG."""
    return Logger(namespace)


def _current() -> _Configured | None:
    # Tests undo a configuration with structlog's own reset.
    return _configured if structlog.is_configured() else None
