"""Whether the parameters of a request fit its revision's schema (MCP "Schema Reference")."""

import marshal
from collections.abc import Mapping
from typing import Any, Final, cast

import mcp_types
from mcp_types.methods import validate_client_request
from pydantic import ValidationError

from mcp_server.protocol.jsonrpc import ProtocolError, Request
from mcp_server.protocol.versions import Revision

KEPT_SHAPES: Final = 512
LARGEST_SHAPE: Final = 2048
"""Bytes of parameters that are remembered as good."""

_ARGUMENTS: Final = "arguments"


class Parameters:
    """Checks parameters, and remembers which were good.

    A client says the same of itself with every request, and a call differs from the one before in its
    arguments alone. Those may be any JSON object in every revision, so what is left of the parameters
    without them is good again if it was before. The schema is asked about everything else; that costs as
    much as a tenth of a request.
    """

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._good: dict[bytes, None] = {}

    def check(self, request: Request, revision: Revision) -> None:
        """Return if the parameters fit.

        Raises:
            ProtocolError: -32602, with where they do not.
        """
        shape = _shape_of(request, revision)
        if shape in self._good:
            return
        _validate(request, revision)
        if len(shape) > LARGEST_SHAPE:
            return
        if len(self._good) >= KEPT_SHAPES:
            del self._good[next(iter(self._good))]
        self._good[shape] = None


def _shape_of(request: Request, revision: Revision) -> bytes:
    params: Mapping[str, Any] = request.params
    if isinstance(params.get(_ARGUMENTS), dict):
        params = {**params, _ARGUMENTS: {}}
    # Version 2 has no references: what is equal is written alike, whoever else holds on to it. True and 1 are
    # written differently, unlike in a comparison.
    return marshal.dumps((request.method, revision.name, cast(dict[str, Any], params)), 2)


def _validate(request: Request, revision: Revision) -> None:
    try:
        validate_client_request(request.method, revision.name, request.params or None)
    except ValidationError as error:
        # Only where it is wrong: the library's own words quote the caller's values.
        where = sorted({".".join(str(step) for step in detail["loc"][:4]) for detail in error.errors()})
        message = f"These parameters of {request.method} are missing or wrong: {', '.join(where[:8])}."
        raise ProtocolError(mcp_types.INVALID_PARAMS, message) from None
