"""Any refusal as text a language model can act on: what happened, what is probably missing, what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.valtown.errors import (
    Conflict,
    Forbidden,
    NotFound,
    OutsideLimit,
    RateLimited,
    Unauthorized,
    Unavailable,
    ValTownError,
)


class ToolError(Exception):
    """A tool cannot do what was asked; `hint` says what to do instead."""

    def __init__(self, message: str, *, hint: str = "", upstream: ValTownError | None = None) -> None:
        """Take a sentence, advice, and Val Town's own refusal when that was the cause."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.upstream = upstream


def uncertain(error: ToolError | ValTownError, what: str) -> str:
    """Return a sentence when it is not known whether `what` was done, else nothing."""
    cause = error.upstream if isinstance(error, ToolError) else error
    return f" It is not known whether {what}: look first." if isinstance(cause, Unavailable) else ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the advice depends on: the tool's scope, whether it only reads, whether the header was used."""

    scope: str | None
    read_only: bool
    legacy: bool


# Val Town's own permissions: of API tokens, and of its OAuth server.
_PERMISSIONS: Final = {
    "user:read": "user:read (user_r when signed in with Val Town)",
    "orgs:read": "user:read (user_r when signed in with Val Town)",
    "vals:read": "val:read (project_rw when signed in with Val Town)",
    "vals:write": "val:write and user:read (project_rw and user_r when signed in with Val Town)",
    "files:read": "val:read (project_rw when signed in with Val Town)",
    "files:write": "val:write (project_rw when signed in with Val Town)",
    "env:read": "val:read (project_rw when signed in with Val Town)",
    "env:write": "val:write (project_rw when signed in with Val Town)",
    "blobs:read": "blob:read (blob_rw when signed in with Val Town)",
    "blobs:write": "blob:write (blob_rw when signed in with Val Town)",
    "sqlite:read": "sqlite:read (sqlite_rw when signed in with Val Town)",
    "sqlite:write": "sqlite:write (sqlite_rw when signed in with Val Town)",
    "telemetry:read": "telemetry:read (telemetry_r when signed in with Val Town)",
    "email:send": "email:write (email_rw when signed in with Val Town)",
}


def describe(failure: ToolError | ValTownError, circumstances: Circumstances) -> str:
    """Return the text of an error result; it never holds a credential."""
    if isinstance(failure, ValTownError):
        return _lines(_said(failure), _advice(failure, circumstances))
    if failure.upstream is None:
        return _lines(failure.message, failure.hint)
    advice = failure.hint or _advice(failure.upstream, circumstances)
    return _lines(failure.message, _said(failure.upstream), advice)


def _lines(*sentences: str) -> str:
    return "\n".join(sentence for sentence in sentences if sentence)


def _said(error: ValTownError) -> str:
    return error.message if error.status is None else f"Val Town answered {error.status}: {error.message}"


def _advice(error: ValTownError, circumstances: Circumstances) -> str:
    return next((advise(error, circumstances) for kind, advise in _ADVICE if isinstance(error, kind)), "")


def _unauthorized(_error: ValTownError, circumstances: Circumstances) -> str:
    if circumstances.legacy:
        return "The token in the X-Val-Town-Token header is not valid at Val Town (any more): use a new one."
    return (
        "Val Town no longer accepts the account link behind this connection; trying again will not help. "
        "Ask the person to sign in again: disconnect and reconnect this server in the client."
    )


def _forbidden(_error: ValTownError, circumstances: Circumstances) -> str:
    permission = _PERMISSIONS.get(circumstances.scope or "")
    likely = f"The Val Town credential probably lacks the permission {permission}. " if permission else ""
    return (
        f"{likely}Ask the person to reconnect this server with a Val Town token that has it. "
        "It can also be a limit of the plan, or a val of somebody else."
    )


_WHERE_TO_LOOK: Final = {
    "user:read": "Check the handle or id.",
    "orgs:read": "Check the organization (list_orgs shows those of this account).",
    "blobs:read": "Check the key (list_blobs).",
    "blobs:write": "Check the key (list_blobs).",
    "env:write": "Check the val (list_my_vals) and the name (list_env_vars).",
}


def _not_found(_error: ValTownError, circumstances: Circumstances) -> str:
    hint = _WHERE_TO_LOOK.get(circumstances.scope or "")
    if hint is not None:
        return hint
    return (
        "Check the val, branch and path (list_my_vals, get_val, list_files). "
        "Val Town also answers 404 for a val that this account may not see, or may read but not change."
    )


def _outside_limit(_error: ValTownError, _circumstances: Circumstances) -> str:
    return (
        "The person chose the vals when approving this connection; whoami shows their ids. To use others, "
        "ask the person to reconnect this server and to choose them too."
    )


def _conflict(_error: ValTownError, _circumstances: Circumstances) -> str:
    return "Something of that name exists already."


def _rate_limited(error: ValTownError, _circumstances: Circumstances) -> str:
    seconds = error.retry_after if isinstance(error, RateLimited) else None
    return f"Wait {seconds:g} seconds, then try again." if seconds else "Wait a minute, then try again."


def _unavailable(_error: ValTownError, circumstances: Circumstances) -> str:
    if circumstances.read_only:
        return "Nothing was changed; trying again later is safe."
    return "It is not known whether the change was made: look first, then try again."


_Advise = Callable[[ValTownError, Circumstances], str]
_ADVICE: Final[tuple[tuple[type[ValTownError], _Advise], ...]] = (
    (Unauthorized, _unauthorized),
    (Forbidden, _forbidden),
    (NotFound, _not_found),
    (OutsideLimit, _outside_limit),
    (Conflict, _conflict),
    (RateLimited, _rate_limited),
    (Unavailable, _unavailable),
)
