"""What a client was asked and answered, carried by the client (MCP 2026-07-28 "Multi Round-Trip Requests").

No replica remembers a call that waits for answers: `requestState` holds the digests of the questions and the
answers of earlier rounds, encrypted, and bound to who calls what with which arguments, for ten minutes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import mcp_types
from pydantic_core import from_json, to_json

from mcp_server.auth.principal import Principal
from mcp_server.protocol.jsonrpc import ProtocolError, Request
from shared.clock import Clock
from shared.logs import get_logger
from shared.sealing import Sealer, UnknownKeyError, UnsealError

LIFETIME_SECONDS: Final = 600
MAX_ANSWERS_BYTES: Final = 64 * 1024
"""Of all rounds of one call together."""

_PURPOSE: Final = "mcp request state"
_BINDING: Final = ("name", "uri", "arguments")

_log = get_logger("mcp:input")


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known when a call begins.

    `earlier`: answers of earlier rounds, by the digest of their question. `asked`: the digests of what the
    last round asked. `given`: what came with this request, by key, not believed yet.
    """

    earlier: Mapping[str, object] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    given: Mapping[str, object] = field(default_factory=dict)


NO_ANSWERS: Final = Answers()


def question_digest(key: str, question: Mapping[str, object]) -> str:
    """Return what identifies a question: an answer counts only for the very words that were asked."""
    return hashlib.sha256(_canonical([key, question])).hexdigest()[:32]


class InputStates:
    """Seals and opens `requestState`."""

    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        """Take the keys, the same on every replica, and the clock."""
        self._sealer = sealer
        self._clock = clock

    def open(self, request: Request, principal: Principal) -> Answers:
        """Return the answers in a request.

        A state that expired, or was sealed with a key that is gone, counts as none: the questions are asked
        again.

        Raises:
            ProtocolError: -32602, the state was altered or belongs to another caller or call.
        """
        given = request.params.get("inputResponses")
        answers = given if isinstance(given, dict) else {}
        state = request.params.get("requestState")
        if not isinstance(state, str):
            return Answers(given=answers) if answers else NO_ANSWERS
        try:
            plaintext = self._sealer.unseal(state, purpose=_PURPOSE, owner=_owner(request, principal))
        except UnknownKeyError:
            return NO_ANSWERS
        except UnsealError:
            _log.warning("request state refused", method=request.method, grant_id=principal.grant_id)
            message = "params.requestState is not what this server gave out for this call."
            raise ProtocolError(mcp_types.INVALID_PARAMS, message) from None
        kept = from_json(plaintext)
        if kept["until"] <= self._clock.now():
            return NO_ANSWERS
        return Answers(kept["answers"], frozenset(kept["asked"]), answers)

    def seal(
        self,
        request: Request,
        principal: Principal,
        *,
        answers: Mapping[str, object],
        asked: frozenset[str],
    ) -> str:
        """Return the state to send along with questions.

        Raises:
            ProtocolError: -32602, the answers so far are too large to carry.
        """
        until = self._clock.now() + LIFETIME_SECONDS
        kept = to_json({"until": until, "answers": answers, "asked": sorted(asked)})
        if len(kept) > MAX_ANSWERS_BYTES:
            raise ProtocolError(
                mcp_types.INVALID_PARAMS, "The answers in params.inputResponses are too large."
            )
        return self._sealer.seal(kept, purpose=_PURPOSE, owner=_owner(request, principal))


def _owner(request: Request, principal: Principal) -> tuple[str, ...]:
    called = {name: request.params.get(name) for name in _BINDING}
    digest = hashlib.sha256(_canonical([request.method, called])).hexdigest()
    return (principal.subject, principal.grant_id or "", principal.client_id or "", digest)


def _canonical(value: object) -> bytes:
    # One spelling of equal values: clients may write the members of a retry in another order.
    return to_json(_sorted(value))


def _sorted(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
