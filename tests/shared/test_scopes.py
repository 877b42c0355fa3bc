"""Scope strings, what they imply, and what is left when a person unticks some (RFC 6749 section 3.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.oauth.errors import InvalidScope
from shared.oauth.scopes import expand, format_scope, known_scopes, narrow, parse_scope
from shared.policy import ALL_SCOPES, OFFLINE_ACCESS, RESOURCE_SCOPES, SCOPE_OF_TOOL, SCOPES, UMBRELLAS

NAMES = st.lists(st.sampled_from(ALL_SCOPES), min_size=1, max_size=8)
FINE = st.sets(st.sampled_from(list(SCOPES)))


@given(NAMES)
def test_a_scope_string_is_read_and_written_back_in_table_order(names: list[str]) -> None:
    parsed = parse_scope(" ".join(names))
    assert set(parsed) == set(names)
    assert parse_scope(format_scope(names)) == parsed
    assert list(parsed) == sorted(set(names), key=ALL_SCOPES.index)


@pytest.mark.parametrize(
    "scope",
    [
        "",
        " ",
        "read ",
        " read",
        "read  write",
        "read\twrite",
        "unknown",
        "READ",
        'a"',
        "a\\",
        "réad",
        "read,write",
        "x" * 1025,
    ],
)
def test_other_strings_are_refused(scope: str) -> None:
    with pytest.raises(InvalidScope):
        parse_scope(scope)


def test_the_refusal_of_an_unknown_scope_names_it() -> None:
    with pytest.raises(InvalidScope) as refused:
        parse_scope("read vals:admin")
    assert "vals:admin" in refused.value.description


@given(NAMES, st.lists(st.sampled_from(["openid", "READ", "vals:admin", "mcp"])))
def test_names_not_known_here_can_be_left_out(names: list[str], unknown: list[str]) -> None:
    assert known_scopes(" ".join([*unknown, *names])) == parse_scope(" ".join(names))


@pytest.mark.parametrize("scope", ["", "openid ", "openid  mcp", 'openid "', "openid\\", "x" * 1025])
def test_broken_strings_are_refused_even_where_unknown_names_are_not(scope: str) -> None:
    with pytest.raises(InvalidScope):
        known_scopes(scope)


def test_the_fixed_scopes_are_there_and_no_others() -> None:
    areas = ("vals", "files", "blobs", "sqlite", "env")
    fine = {f"{area}:{right}" for area in areas for right in ("read", "write")}
    fine |= {"telemetry:read", "email:send", "user:read", "orgs:read"}
    assert set(SCOPES) == fine
    assert set(ALL_SCOPES) == {*fine, "read", "write", "offline_access"}
    assert OFFLINE_ACCESS not in RESOURCE_SCOPES


@pytest.mark.parametrize("name", [name for name in SCOPES if name.endswith(":write")])
def test_writing_implies_reading(name: str) -> None:
    assert name.replace(":write", ":read") in expand([name])


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (["vals:read"], {"vals:read", "files:read"}),
        (["vals:write"], {"vals:read", "vals:write", "files:read", "files:write"}),
        (["files:write"], {"files:read", "files:write"}),
        (["email:send"], {"email:send"}),
        (["offline_access"], set()),
        ([], set()),
    ],
)
def test_what_a_scope_amounts_to(asked: list[str], meant: set[str]) -> None:
    assert expand(asked) == meant


def test_the_umbrellas_cover_what_they_say_and_nothing_that_must_be_asked_for_by_name() -> None:
    assert expand(["read"]) == {name for name in SCOPES if name.endswith(":read")}
    assert "env:write" not in expand(["read", "write"])
    assert "email:send" not in expand(["read", "write"])
    assert set(UMBRELLAS["write"]) == {"vals:write", "files:write", "blobs:write", "sqlite:write"}


@given(NAMES, FINE)
def test_narrowing_never_adds_and_never_keeps_what_was_taken_away(names: list[str], kept: set[str]) -> None:
    left = narrow(names, kept)
    assert expand(left) <= expand(names)
    assert expand(left) <= kept
    assert narrow(left, kept) == left


@given(NAMES)
def test_narrowing_by_nothing_keeps_the_names_that_were_asked_for(names: list[str]) -> None:
    assert set(narrow(names, SCOPES)) == set(names)


@given(NAMES, FINE)
def test_narrowing_keeps_everything_that_may_be_kept(names: list[str], kept: set[str]) -> None:
    possible = {name for name in expand(names) if expand([name]) <= kept}
    assert expand(narrow(names, kept)) == possible


def test_every_tool_has_a_scope_of_the_table_but_whoami() -> None:
    assert SCOPE_OF_TOOL["whoami"] is None
    assert {scope for tool, scope in SCOPE_OF_TOOL.items() if tool != "whoami"} <= set(SCOPES)


@pytest.mark.parametrize("name", SCOPES)
def test_every_scope_has_words_for_people(name: str) -> None:
    policy = SCOPES[name]
    assert policy.title
    assert policy.words.endswith(".")
    assert set(policy.implies) <= set(SCOPES)
