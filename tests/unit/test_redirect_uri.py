"""Redirect URIs: what matches, and what a page says about them (RFC 8252 section 7.3)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_server.domain.redirect_uri import (
    RedirectPolicy,
    display_host,
    form_action_source,
    leads_to_this_computer,
    matches,
)
from shared.oauth.errors import InvalidRedirectUri
from tests.requirements import requirement

POLICY = RedirectPolicy(schemes=frozenset({"cursor"}), allow_http=False)
PIECES = (
    "http:// https:// cursor: javascript: 127.0.0.1 localhost [::1] evil.example "
    ": 80 65535 / @ ? # \\ .. %2e . a ; , ' \n"
)
PARTS = st.lists(st.sampled_from([*PIECES.split(" "), " "]), max_size=8).map("".join)


@requirement("O1", "A21")
@given(PARTS, PARTS)
def test_what_matches_differs_in_the_port_of_a_loopback_address_at_most(
    registered: str, requested: str
) -> None:
    if matches(registered, requested) and registered != requested:
        loopback = re.compile(r"^(http://(?:127\.0\.0\.1|localhost|\[::1\]))(?::\d{1,5})?(?=[/?]|\Z)")
        without_port = [loopback.sub(r"\1", uri, count=1) for uri in (registered, requested)]
        assert loopback.match(registered)
        assert without_port[0] == without_port[1]


@given(PARTS)
def test_every_uri_matches_itself(uri: str) -> None:
    assert matches(uri, uri)


@given(PARTS)
def test_what_may_be_registered_can_be_shown_and_put_into_a_policy(uri: str) -> None:
    try:
        allowed = POLICY.check(uri)
    except InvalidRedirectUri:
        return
    assert allowed == uri
    assert display_host(uri)
    # Nothing in it ends a directive or a source (Content Security Policy level 3, section 2.2).
    assert not set(form_action_source(uri)) & set(" ;,'\"\n\t")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://client.example.com/callback", "client.example.com"),
        ("https://client.example.com:8443/callback", "client.example.com:8443"),
        ("http://127.0.0.1:1234/callback", "127.0.0.1:1234"),
        ("cursor://anysphere.cursor-mcp/callback", "cursor:"),
        ("com.example.app:/callback", "com.example.app:"),
    ],
)
def test_a_person_is_shown_where_they_are_sent(uri: str, shown: str) -> None:
    assert display_host(uri) == shown


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("http://127.0.0.1/callback", True),
        ("http://localhost:1234/callback", True),
        ("http://[::1]/callback", True),
        # Any program can claim a private-use scheme.
        ("cursor://x/y", True),
        ("com.example.app:/callback", True),
        ("https://client.example.com/callback", False),
        ("https://127.0.0.1.evil.example/callback", False),
        ("http://localhost.evil.example/callback", False),
    ],
)
def test_what_leads_to_this_computer_is_known(uri: str, local: bool) -> None:
    assert leads_to_this_computer(uri) is local


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ("https://a.example/".ljust(2000, "a"), "https://a.example/".ljust(2001, "a")),
        ("https://a.example/?b=c", "https://a.example/#b"),
        ("https://a.example/", "HTTPS://a.example/"),
        ("https://a.example/", "https:///callback"),
        ("https://a.example/", "https://user@a.example/"),
        ("https://a.example/", "https://a b.example/"),
        ("https://a.example:65535/", "https://a.example:65536/"),
        ("https://a.example/b.c/...", "https://a.example/b/../c"),
        ("https://a.example/b.c/", "https://a.example/b/%2E%2e/c"),
        ("http://127.0.0.1/", "http://a.example/"),
        ("http://[::1]/", "http://[::2]/"),
        ("cursor://x", "other://x"),
        ("com.example.app:/x", "com_example.app:/x"),
        ("com.example.app:/x", "/callback"),
    ],
)
def test_what_may_be_registered_is_told_from_its_neighbour(allowed: str, refused: str) -> None:
    assert POLICY.check(allowed) == allowed
    with pytest.raises(InvalidRedirectUri):
        POLICY.check(refused)


def test_http_is_allowed_beyond_this_computer_when_the_operator_says_so() -> None:
    assert RedirectPolicy(schemes=frozenset(), allow_http=True).check("http://a.example/")


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://client.example.com:8443/callback?a=b", "https://client.example.com:8443"),
        ("http://localhost:1234/callback", "http://localhost:1234"),
        ("http://[::1]:1234/callback", "http:"),
        ("cursor://anysphere.cursor-mcp/callback", "cursor:"),
        ("com.example.app:/callback", "com.example.app:"),
    ],
)
def test_a_form_may_lead_to_the_host_or_else_the_scheme_alone(uri: str, source: str) -> None:
    assert form_action_source(uri) == source


@pytest.mark.parametrize(
    ("registered", "requested", "same"),
    [
        ("http://localhost/a", "http://localhost:1/a", True),
        ("http://[::1]:99999/a", "http://[::1]:1/a", True),
        ("http://127.0.0.1:1?a", "http://127.0.0.1:2?a", True),
        ("http://127.0.0.1", "http://127.0.0.1:2", True),
        ("http://127.0.0.1:1/a", "http://localhost:1/a", False),
        ("http://127.0.0.1:1/a", "http://127.0.0.1:1/b", False),
        ("http://127.0.0.1:1/a", "http://127.0.0.1:123456/a", False),
        ("https://127.0.0.1:1/a", "https://127.0.0.1:2/a", False),
    ],
)
def test_only_the_port_of_a_loopback_address_may_differ(registered: str, requested: str, same: bool) -> None:
    assert matches(registered, requested) is same
