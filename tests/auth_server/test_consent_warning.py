"""The warning of the consent page depends on where this code goes, not on what else was registered."""

import pytest

from dev.flow import Pkce
from tests.auth_server.deployment import REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

LOOPBACK = "http://127.0.0.1:3000/callback"
REGISTERED = [
    REDIRECT_URI,
    LOOPBACK,
    "http://localhost/callback",
    "cursor://x/y",
    "com.example.app:/callback",
]


@requirement("C7")
@pytest.mark.parametrize(
    ("redirect_uri", "warned"),
    [
        (LOOPBACK, True),
        ("http://127.0.0.1:54321/callback", True),
        ("http://localhost:8080/callback", True),
        ("cursor://x/y", True),
        ("com.example.app:/callback", True),
        (REDIRECT_URI, False),
    ],
)
async def test_whoever_sends_the_code_to_this_computer_gets_a_warning(
    server: AuthServer, redirect_uri: str, warned: bool
) -> None:
    client = await server.registered(redirect_uris=REGISTERED)
    browser = server.browser()
    url = client.authorize_url(Pkce.new(), redirect_uri=redirect_uri)
    page = await browser.sign_in(await browser.open(url))
    assert ("on your own computer" in page.text) is warned
    assert (await browser.decide(page)).url.startswith(redirect_uri)
