"""Chromium in front of real processes: both services and the sandbox, where ada alone may sign in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest
from playwright.async_api import Browser

from dev.deployment import Deployment, deploy
from dev.flow import OAuthClient
from dev.processes import free_port
from tests.browser.app_site import HOST, app_site
from tests.browser.chromium import MISSING, find_chromium, running_chromium
from tests.browser.looks import axe_source
from tests.browser.person import REDIRECT_URI, Person, person_in


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    """Run everything on one event loop, because one browser serves all tests."""
    return "asyncio"


@pytest.fixture(scope="package")
async def chromium(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Return a running browser, which reaches this computer and the app's site.

    Skips the test, with the reason, where there is none.
    """
    path = find_chromium()
    if path is None:
        pytest.skip(MISSING)
    with app_site(tmp_path_factory.mktemp("app-site")) as port:
        async with running_chromium(path, host=HOST, port=port) as browser:
            yield browser


@pytest.fixture(scope="package")
def store(database: Callable[[int], str]) -> str:
    """Return the URL of the services' store, empty when the first test begins."""
    return database(9)


@pytest.fixture(scope="package")
def services(chromium: Browser, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return the sandbox and both services."""
    folder = tmp_path_factory.mktemp("pages")
    port = str(free_port())
    settings = {"SANDBOX_PORT": port, "VAL_TOWN_OAUTH_ISSUER": f"http://127.0.0.1:{port}/oauth"}
    with deploy(store, folder, OAUTH_ALLOWED_USERS="ada", **settings) as running:
        yield running


@pytest.fixture(scope="package")
def axe() -> str | None:
    """Return the source of axe-core; None where npm does not get it."""
    try:
        return axe_source()
    except pytest.skip.Exception:
        return None


@pytest.fixture
async def another_person(chromium: Browser) -> AsyncIterator[Callable[..., Awaitable[Person]]]:
    """Return a way to give somebody a browser of their own."""
    contexts = []

    async def opened(**options: object) -> Person:
        contexts.append(await chromium.new_context(ignore_https_errors=True, **options))
        return await person_in(contexts[-1])

    yield opened
    for context in contexts:
        await context.close()


@pytest.fixture
async def person(another_person: Callable[..., Awaitable[Person]]) -> Person:
    """Return somebody with a browser."""
    return await another_person()


@pytest.fixture
async def app(services: Deployment) -> AsyncIterator[OAuthClient]:
    """Return an app that has just registered."""
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, services.issuer, REDIRECT_URI)
        await client.register(client_name="Notebook")
        yield client
