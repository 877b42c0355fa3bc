"""A page as people see it, light, dark and on a phone: a picture of each, axe's verdict, and the width."""

from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page

from tests.e2e.npm import installed

AXE = "4.14.1"
PICTURES = Path(__file__).resolve().parents[2] / ".artefacts" / "pages"


@dataclass(frozen=True, slots=True)
class Look:
    """A width of the window in pixels, and the colours the person prefers."""

    name: str
    width: int
    colours: str


LOOKS = (Look("light", 1280, "light"), Look("dark", 1280, "dark"), Look("phone", 390, "dark"))


def axe_source() -> str:
    """Return the source of axe-core; skips the test, with the reason, where npm does not get it."""
    return installed("axe-core", AXE, "axe.min.js").read_text(encoding="utf-8")


async def look_at(page: Page, name: str, axe: str | None) -> None:
    """Take a picture of the page in each look, and hold what everybody needs.

    Args:
        page: the page, as it is.
        name: for the pictures' files.
        axe: the source of axe-core; None where it cannot be had.
    """
    PICTURES.mkdir(parents=True, exist_ok=True)
    for look in LOOKS:
        await page.emulate_media(color_scheme=look.colours)
        await page.set_viewport_size({"width": look.width, "height": 844})
        await page.screenshot(path=PICTURES / f"{name}-{look.name}.png", full_page=True)
        where = f"{name} in {look.name}"
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= look.width, f"{where} is {width} pixels wide"
        assert await page.title(), f"{where} has no title"
        if axe is not None:
            assert await violations(page, axe) == [], where


async def violations(page: Page, axe: str) -> list[str]:
    """Return what axe finds wrong on the page as it is now."""
    await page.evaluate(axe)
    found = await page.evaluate("axe.run()")
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'] for node in violation['nodes']]}"
        for violation in found["violations"]
    ]
