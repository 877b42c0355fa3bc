"""What the other tests of pages rely on finds what it is there to find."""

import pytest

from tests.browser.looks import axe_source, look_at, violations
from tests.browser.person import Person

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

GOOD = "<!doctype html><html lang=en><title>Good</title><main><h1>Good</h1><p>Text</main>"
GREY = GOOD.replace("<p>", "<p style='color: #ccc; background: #fff'>")


async def test_axe_judges_the_pages(person: Person) -> None:
    axe = axe_source()
    await person.page.set_content(GOOD)
    assert await violations(person.page, axe) == []
    await person.page.set_content(GREY)
    (found,) = await violations(person.page, axe)
    assert found.startswith("color-contrast")


async def test_a_page_that_is_wider_than_a_phone_is_noticed(person: Person) -> None:
    await person.page.set_content(GOOD)
    await look_at(person.page, "self-test", None)
    await person.page.set_content(GOOD.replace("<p>", "<p style='width: 30rem'>"))
    with pytest.raises(AssertionError, match="in phone is"):
        await look_at(person.page, "self-test", None)
