"""405 names every method that works (RFC 9110 section 15.5.6)."""

import httpx
import pytest

from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("A32")
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("page", ["authorize", "sign-in", "consent"])
async def test_the_pages_name_get_and_post(http: httpx.AsyncClient, page: str, method: str) -> None:
    response = await http.request(method, f"/oauth/{page}")
    assert response.status_code == 405
    allowed = {name.strip() for name in response.headers["allow"].split(",")}
    assert {"GET", "POST"} <= allowed
    assert method not in allowed
    for name in ("GET", "POST"):
        assert (await http.request(name, f"/oauth/{page}")).status_code != 405
