"""The browser that the pages are tried in: one that is installed here, never one that is downloaded."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium is on the PATH (Debian: apt install chromium), so no page was tried in a browser"


def find_chromium() -> str | None:
    """Return the path of the browser, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def running_chromium(path: str, *, host: str, port: int) -> AsyncIterator[Browser]:
    """Run it without a window until the end of the block.

    Args:
        path: of the program.
        host: the one name it finds, beside this computer's address.
        port: where on this computer that name leads.
    """
    names = f"MAP {host} 127.0.0.1:{port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    arguments = [f"--host-resolver-rules={names}"]
    if os.geteuid() == 0:
        # Chromium's own sandbox does not work for root.
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()
