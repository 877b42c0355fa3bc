"""Whether somebody still waits for an answer, asked without waiting."""

import asyncio

import pytest
from starlette.types import Message

from shared.web.hang_up import has_hung_up

pytestmark = pytest.mark.anyio


async def test_a_client_that_has_closed_its_connection_is_noticed() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert has_hung_up(receive)


async def test_a_client_that_waits_is_not_taken_for_one_that_has_gone_and_can_be_asked_again() -> None:
    closed = asyncio.Event()

    async def receive() -> Message:
        await closed.wait()
        return {"type": "http.disconnect"}

    assert not has_hung_up(receive)
    assert not has_hung_up(receive)
    closed.set()
    assert has_hung_up(receive)
    assert (await receive())["type"] == "http.disconnect"


async def test_more_of_a_body_is_no_end() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    assert not has_hung_up(receive)
