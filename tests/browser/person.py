"""A person with a browser of their own, and the app that sent them."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from playwright.async_api import BrowserContext, Page, Request, Response

from dev.flow import Pkce

ADA = "vtwn_sandbox_ada"
GRACE = "vtwn_sandbox_grace"
REDIRECT_URI = "https://client.example.com/callback"


@dataclass(frozen=True, slots=True)
class Person:
    """One cookie jar, one window."""

    context: BrowserContext
    page: Page
    elsewhere: list[str]
    """Every URL outside this computer that a page made the browser ask for."""

    async def open(self, url: str) -> Response:
        """Open a URL; return the answer of the page that it led to."""
        response = await self.page.goto(url)
        assert response is not None
        return response

    async def sign_in(self, api_token: str = ADA) -> Response:
        """Paste a token and send it."""
        await self.page.get_by_label("API token").fill(api_token)
        return await self.press("Sign in with the token")

    async def press(self, button: str) -> Response:
        """Press a button; return the answer of the page that it led to."""
        async with self.page.expect_navigation() as navigation:
            await self.page.get_by_role("button", name=button, exact=True).click()
        response = await navigation.value
        assert response is not None
        return response

    @property
    def came_back_with(self) -> Mapping[str, str]:
        """The parameters with which the browser came back to the app."""
        assert self.page.url.startswith(REDIRECT_URI), self.page.url
        return dict(parse_qsl(urlsplit(self.page.url).query))


async def person_in(context: BrowserContext) -> Person:
    """Return a person with a new window."""
    elsewhere: list[str] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            elsewhere.append(request.url)

    context.on("request", note)
    page = await context.new_page()
    page.set_default_timeout(10_000)
    return Person(context, page, elsewhere)


PKCE = Pkce.new()
"""Of every request here: the tests are about the person."""
