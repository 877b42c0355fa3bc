"""Every request that tools and client send, against Val Town's own OpenAPI document."""

from typing import Final

import httpx
import pytest

from shared.valtown.client import ValTownClient
from shared.valtown.errors import BadRequest
from tests.support import openapi_contract
from tests.support.tool_caller import Caller
from tests.support.tool_examples import EXAMPLES
from tests.support.valtown_calls import every_call

pytestmark = pytest.mark.anyio

# Asked for by no tool: the API's own second blob store, and tokens of other services.
UNUSED: Final = ("/v2/blob", "/v3/connections/")


@pytest.fixture
def contract() -> openapi_contract.OpenApiContract:
    """Return the contract."""
    found = openapi_contract.load()
    if found is None:
        pytest.skip(f"{openapi_contract.VARIABLE} names no OpenAPI document, or jsonschema is not installed")
    return found


@pytest.mark.parametrize("name", EXAMPLES)
async def test_what_a_tool_sends_is_documented(
    examples: Caller, contract: openapi_contract.OpenApiContract, name: str
) -> None:
    await examples.ok(name, **EXAMPLES[name].arguments)
    for request in examples.requests:
        if not request.url.path.startswith("/run/"):
            contract.check_request(request)


async def test_the_client_can_send_everything_that_is_documented(
    contract: openapi_contract.OpenApiContract,
) -> None:
    sent: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(418, stream=httpx.ByteStream(b'{"message": "no"}'))

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        client = ValTownClient(http, "https://api.example.test", "token")
        for call in every_call(client):
            with pytest.raises(BadRequest):
                await call
    called = {contract.check_request(request) for request in sent}
    documented = {
        (method, path)
        for path, operations in contract.document["paths"].items()
        if not path.startswith(UNUSED)
        for method in operations
    }
    assert called == documented
