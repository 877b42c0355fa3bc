"""JSON logs, one object a line, in which no credential can appear; DEBUG namespaces as in npm's debug."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from fnmatch import fnmatchcase
from typing import Any, Final, TextIO

import structlog

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


def redact(value: object) -> object:
    """Return the value with everything that looks like a credential replaced, in strings at any depth."""
    if isinstance(value, str):
        return _SECRET_SHAPES.sub(REDACTED, value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {
            _SECRET_SHAPES.sub(REDACTED, str(name)): _redact_member(str(name), member)
            for name, member in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, int | float | bool) or value is None:
        return value
    return _SECRET_SHAPES.sub(REDACTED, str(value))


def _redact_member(name: str, value: object) -> object:
    if name.lower().replace("-", "_") in _SECRET_NAMES and value not in (None, ""):
        return REDACTED
    return redact(value)


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _redact_member(name, value) for name, value in event.items()}


class DebugNamespaces:
    """Which namespaces DEBUG switches on: a comma list with `*`, `-name` excluding, as in npm's debug."""

    def __init__(self, debug: str) -> None:
        """Take the value of DEBUG, e.g. `oauth:*,-oauth:token`."""
        patterns = [pattern for pattern in re.split(r"[\s,]+", debug) if pattern]
        self._excluded = [pattern[1:] for pattern in patterns if pattern.startswith("-")]
        self._included = [pattern for pattern in patterns if not pattern.startswith("-")]

    def enabled(self, namespace: str) -> bool:
        """Return whether debug lines of this namespace are written."""
        return _matches(namespace, self._included) and not _matches(namespace, self._excluded)

    def __call__(
        self, _logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Drop debug events of namespaces that are off (a structlog processor)."""
        if method == "debug" and not self.enabled(str(event.get("namespace", ""))):
            raise structlog.DropEvent
        return event


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

    output = stream or sys.stdout
    structlog.configure(
        processors=[
            DebugNamespaces(debug),
            *shared_processors,
            add_service,
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


def get_logger(namespace: str) -> Any:
    """Return the logger of a namespace such as `oauth:token`; its debug lines depend on DEBUG."""
    return structlog.get_logger(namespace=namespace)
