"""Reading parameters: each once, empty ones left out, nothing guessed (RFC 6749 sections 3.1 and 3.2)."""

from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auth_server.domain.client_metadata import visible
from auth_server.domain.resource import Resources
from auth_server.endpoints.parameters import parse
from shared.oauth.errors import InvalidRequest, InvalidTarget
from tests.requirements import requirement

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=10)


@requirement("O5", "O6")
@given(PAIRS)
def test_what_was_sent_once_is_read_and_what_was_sent_twice_is_noticed(pairs: list[tuple[str, str]]) -> None:
    parameters = parse(urlencode(pairs).encode())
    names = [name for name, _ in pairs]
    for name, value in pairs:
        if names.count(name) == 1:
            assert parameters.single(name) == (value or None)
            assert name not in parameters.repeated
        elif name != "resource":
            assert name in parameters.repeated
    assert set(parameters.values) <= set(names)
    assert "" not in parameters.values.values()


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except InvalidRequest:
        return


@pytest.mark.parametrize(
    ("query", "repeated"),
    [
        (b"resource=a&resource=a", frozenset()),
        (b"resource=a&resource=b", {"resource"}),
        (b"resource=a&resource=", {"resource"}),
        (b"a=1&a=1", {"a"}),
        (b"a=&a=", {"a"}),
        (b"a&a=1", {"a"}),
        (b"a=1;a=2", frozenset()),
        (b"%61=1&a=2", {"a"}),
    ],
)
def test_only_the_same_resource_may_be_named_again(query: bytes, repeated: set[str]) -> None:
    assert parse(query).repeated == repeated


def test_the_number_of_parameters_is_bounded() -> None:
    assert len(parse(b"&".join(b"a%d=b" % number for number in range(100))).values) == 100
    with pytest.raises(InvalidRequest):
        parse(b"&".join(b"a%d=b" % number for number in range(101)))


@given(st.text(max_size=50))
def test_a_shown_name_has_no_character_that_hides_or_reorders(text: str) -> None:
    shown = visible(text)
    assert shown == visible(shown)
    assert visible(f"\u202e{text}\u0000") == shown
    assert not set(shown) & {"\u202e", "\u2066", "\u200b", "\u0000", "\n", "\u061c", "\ufeff"}


@given(st.text(max_size=30) | st.text(max_size=10).map(lambda text: "https://mcp.test" + text))
@example("HTTPS://MCP.TEST")
@example("https://mcp.test/")
@example("https://mcp.test?")
@example("https://mcp.\ntest")
@example("https://\u212aiosk.test/mcp")
@example("https://mcp.test:443/mcp/")
def test_a_resource_is_the_configured_one_or_refused(resource: str) -> None:
    known = ("https://mcp.test/mcp", "https://mcp.test", "https://kiosk.test/a", "https://kiosk.test/mcp")
    try:
        chosen = Resources(known).choose(resource)
    except InvalidTarget:
        return
    assert resource.isascii()
    assert chosen in known
    assert chosen.lower() == resource.removesuffix("/").lower().replace(":443", "")


@pytest.mark.parametrize(
    ("resource", "chosen"),
    [
        (None, "https://mcp.test/mcp"),
        ("HTTPS://MCP.TEST/mcp", "https://mcp.test/mcp"),
        ("https://mcp.test/", "https://mcp.test"),
        ("https://mcp.test", "https://mcp.test"),
        ("https://mcp.test/mcp?a=B", "https://mcp.test/mcp?a=B"),
        ("https://mcp.test/mcp/", "https://mcp.test/mcp"),
        ("https://mcp.test:443/mcp", "https://mcp.test/mcp"),
        ("https://alone.test:8443", "https://alone.test:8443/mcp"),
        ("https://Alone.test:8443/", "https://alone.test:8443/mcp"),
        ("urn:x", "urn:x"),
    ],
)
def test_a_resource_is_known_by_every_spelling_of_its_uri(resource: str | None, chosen: str) -> None:
    known = ("https://mcp.test/mcp", "https://mcp.test", "https://mcp.test/mcp?a=B", "urn:x")
    known += ("https://alone.test:8443/mcp",)
    assert Resources(known).choose(resource) == chosen
    Resources(known).check_same(resource, chosen)


@pytest.mark.parametrize(
    "resource",
    [
        "https://mcp.test/MCP",
        "https://mcp.test/mcp//",
        "https://mcp.test/mcp/x",
        "https://mcp.test:80/mcp",
        "https://mcp.test:8443",
        "https://mcp.test?",
        "https://mcp.test/mcp?",
        "https://mcp.test/mcp#",
        "http://mcp.test/mcp",
        "https://mcp.test/mcp\n",
        "https://[mcp.test/mcp",
        "URN:x",
        "",
    ],
)
def test_any_other_resource_is_refused(resource: str) -> None:
    resources = Resources(("https://mcp.test/mcp", "urn:x"))
    with pytest.raises(InvalidTarget):
        resources.choose(resource)
    with pytest.raises(InvalidTarget):
        resources.check_same(resource, "https://mcp.test/mcp")


def test_an_origin_names_the_resource_that_is_alone_there() -> None:
    alone = Resources(("https://mcp.test/a", "https://mcp.test:8443/b"))
    assert alone.choose("https://mcp.test/") == "https://mcp.test/a"
    both = Resources(("https://mcp.test/a", "https://mcp.test/b"))
    with pytest.raises(InvalidTarget):
        both.choose("https://mcp.test")
    # A grant of the time when it was alone goes on.
    both.check_same("https://mcp.test", "https://mcp.test/a")
    with pytest.raises(InvalidTarget):
        both.check_same("https://mcp.test/b", "https://mcp.test/a")
    with_root = Resources(("https://mcp.test/a", "https://mcp.test"))
    assert with_root.choose("https://mcp.test/") == "https://mcp.test"
    with pytest.raises(InvalidTarget):
        with_root.check_same("https://mcp.test", "https://mcp.test/a")


def test_of_resources_that_compare_equal_the_first_is_meant() -> None:
    assert (
        Resources(("https://mcp.test", "https://mcp.test/")).choose("https://mcp.test/") == "https://mcp.test"
    )
