"""Our client against a mock that Prism (npm) makes of Val Town's OpenAPI document: no part of it is ours."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator

import httpx
import pytest

from shared.valtown.client import ValTownClient
from shared.valtown.errors import BadRequest
from tests.e2e.npm import installed
from tests.support.openapi_contract import VARIABLE
from tests.support.valtown_calls import every_call

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]


@pytest.fixture
def mock_url() -> Iterator[str]:
    """Return the address of a mock of Val Town, which refuses what the document does not describe."""
    document = os.environ.get(VARIABLE)
    if not document:
        pytest.skip(f"{VARIABLE} names no OpenAPI document")
    prism = installed("@stoplight/prism-cli", "5.16.0", "dist/index.js")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["node", str(prism), "mock", document, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            assert any("is listening" in line for line in process.stdout)
            # What it says later must not fill the pipe, or it would stop.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


async def test_every_call_is_understood_and_its_answer_too(mock_url: str) -> None:
    async with httpx.AsyncClient() as http:
        client = ValTownClient(http, mock_url, "token")
        for call in every_call(client):
            name = getattr(call, "__name__", "")
            if name == "store_blob":
                # The document calls the body of a blob JSON, which bytes are not.
                with pytest.raises(BadRequest):
                    await call
                continue
            await call
