"""A request from bytes to answer: which revision, which messages, may they run (MCP "Transports")."""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple

import mcp_types

from mcp_server.metrics import MESSAGE_SERIES, MESSAGES, REFUSALS
from mcp_server.protocol.calls import Host
from mcp_server.protocol.headers import (
    HeaderLines,
    RoutingHeaders,
    check_modern,
    check_parameters,
    revision_of,
)
from mcp_server.protocol.jsonrpc import (
    Message,
    Notification,
    ProtocolError,
    Request,
    RequestId,
    decode,
    encode_error,
    encode_result,
    read_message,
)
from mcp_server.protocol.methods import Exchange, Methods
from mcp_server.protocol.reach import Use
from mcp_server.protocol.versions import Revision
from shared.logs import get_logger
from shared.refusals.json_rpc import UNREADABLE_BODY

_log = get_logger("mcp:dispatch")


class Incoming(NamedTuple):
    """What one body holds; in a batch, an unreadable message is replaced by its error."""

    revision: Revision
    messages: Sequence[Message | ProtocolError]
    is_batch: bool = False

    @property
    def request_id(self) -> RequestId | None:
        """The id to answer with when the whole body is refused; None when it holds no request or several."""
        only = self.messages[0] if len(self.messages) == 1 and not self.is_batch else None
        return only.id if isinstance(only, Request) else None


class Answer(NamedTuple):
    """What goes back: an HTTP status and a JSON body, None where nothing is owed."""

    status: int
    body: bytes | None


class Dispatcher:
    """Takes bodies apart, calls the methods, puts answers together."""

    def __init__(self, methods: Methods) -> None:
        """Take the methods to call."""
        self._methods = methods

    def read(self, lines: HeaderLines, body: bytes) -> Incoming:
        """Return the messages in a body.

        Raises:
            ProtocolError: the body, or the way its headers go with it, is refused as a whole: HTTP 400.
        """
        headers = RoutingHeaders(lines)
        value = decode(body)
        revision = revision_of(headers, value)
        if isinstance(value, list):
            return _read_batch(value, revision)
        message = read_message(value)
        if revision is None:
            revision = check_modern(message, headers)
            if isinstance(message, Request) and message.method == "tools/call":
                check_parameters(message, headers, self._methods.parameter_headers(message))
        return Incoming(revision, (message,))

    def permit(self, incoming: Incoming, scopes: frozenset[str]) -> list[Use]:
        """Check every call in a body before the first one runs; return what they are about.

        Raises:
            ScopeRequiredError: for the first tool, resource or prompt that these scopes do not open.
        """
        uses = []
        for message in incoming.messages:
            if isinstance(message, Request):
                use = self._methods.check_scope(message, scopes)
                if use is not None:
                    uses.append(use)
        return uses

    def run(self, incoming: Incoming, host: Host) -> Awaitable[Answer]:
        """Return the answer to a body; what no tool foresees, such as a store's fault, passes through."""
        exchange = Exchange(incoming.revision, host)
        if incoming.is_batch:
            return self._answer_all(incoming.messages, exchange)
        return self._answer(incoming.messages[0], exchange)

    async def _answer_all(self, messages: Sequence[Message | ProtocolError], exchange: Exchange) -> Answer:
        answers = [await self._answer(message, exchange) for message in messages]
        bodies = [answer.body for answer in answers if answer.body is not None]
        return Answer(200, b"[" + b",".join(bodies) + b"]") if bodies else Answer(202, None)

    async def _answer(self, message: Message | ProtocolError, exchange: Exchange) -> Answer:
        if isinstance(message, ProtocolError):
            return refusal(message, exchange.revision)
        if not isinstance(message, Request):
            # Notifications and replies act on a session, and there is none to act on.
            if isinstance(message, Notification):
                _log.debug("notification", method=message.method[:64])
            return Answer(202, None)
        revision = exchange.revision.name
        (MESSAGE_SERIES.get((revision, message.method)) or MESSAGES.of(revision, message.method)).value += 1
        _log.debug("request", method=message.method[:64], revision=exchange.revision.name)
        try:
            result = await self._methods.answer(message, exchange)
        except ProtocolError as error:
            error.request_id = message.id
            return refusal(error, exchange.revision)
        return Answer(200, encode_result(message.id, result))


def refusal(error: ProtocolError, revision: Revision | None = None) -> Answer:
    """Return the answer that carries an error; without a revision the body was refused as a whole."""
    REFUSALS.inc(str(error.code))
    status = UNREADABLE_BODY if revision is None else revision.status_of(error.code)
    body = encode_error(error.code, error.message, data=error.data, request_id=error.request_id)
    return Answer(status, body)


def _read_batch(values: list[object], revision: Revision | None) -> Incoming:
    if revision is None or not revision.batch_limit:
        raise ProtocolError(mcp_types.INVALID_REQUEST, "This protocol version has no batches.")
    if not 1 <= len(values) <= revision.batch_limit:
        message = f"A batch holds 1 to {revision.batch_limit} messages."
        raise ProtocolError(mcp_types.INVALID_REQUEST, message)
    return Incoming(revision, tuple(_read_in_batch(value) for value in values), is_batch=True)


def _read_in_batch(value: object) -> Message | ProtocolError:
    try:
        message = read_message(value)
    except ProtocolError as error:
        return error
    if isinstance(message, Request) and message.method == "initialize":
        # 2025-03-26 "Initialization": it must not be part of a batch.
        return ProtocolError(
            mcp_types.INVALID_REQUEST, "initialize cannot be batched.", request_id=message.id
        )
    return message
