"""The scope in each decorator and the table in shared/policy.py are one map."""

from mcp_server.app import build_features
from shared.policy import (
    ALL_SCOPES,
    ANY_TOKEN_TOOLS,
    RESOURCE_SCOPES,
    SCOPE_OF_PROMPT,
    SCOPE_OF_RESOURCE,
    SCOPE_OF_TOOL,
    SCOPES,
    UMBRELLAS,
)

FEATURES = build_features()
EVERYTHING = frozenset(SCOPES)


def test_every_tool_names_the_scope_that_the_policy_table_gives_it() -> None:
    tools = {tool.name: tool.scope for tool in FEATURES.tools.visible(EVERYTHING)}
    assert tools == dict(SCOPE_OF_TOOL)


def test_every_forwarded_tool_names_the_scope_that_the_policy_table_gives_it() -> None:
    everything = build_features(forwarding=True).tools.visible(EVERYTHING)
    forwarded = {tool.name: tool.scope for tool in everything if tool.name not in SCOPE_OF_TOOL}
    assert forwarded == {tool: scope.name for scope in SCOPES.values() for tool in scope.forwarded}


def test_every_resource_names_the_scope_that_the_policy_table_gives_it() -> None:
    registry = FEATURES.resources
    found = [*registry.visible(EVERYTHING), *registry.visible(EVERYTHING, templates=True)]
    assert {resource.uri: resource.scope for resource in found} == dict(SCOPE_OF_RESOURCE)


def test_every_prompt_names_the_scope_that_the_policy_table_gives_it() -> None:
    prompts = {prompt.name: prompt.scope for prompt in FEATURES.prompts.visible(EVERYTHING)}
    assert prompts == dict(SCOPE_OF_PROMPT)


def test_whoami_alone_needs_no_scope() -> None:
    assert [tool.name for tool in FEATURES.tools.visible(frozenset())] == ["whoami"]
    assert ANY_TOKEN_TOOLS == ("whoami",)
    assert not FEATURES.resources.visible(frozenset())
    assert not FEATURES.resources.visible(frozenset(), templates=True)
    assert not FEATURES.prompts.visible(frozenset())


def test_a_scope_shows_what_it_opens_and_nothing_else() -> None:
    for name, policy in SCOPES.items():
        scope = frozenset({name})
        tools = {tool.name for tool in FEATURES.tools.visible(scope)}
        assert tools == {*policy.tools, *ANY_TOKEN_TOOLS}
        resources = FEATURES.resources.visible(scope) + FEATURES.resources.visible(scope, templates=True)
        assert {resource.uri for resource in resources} == set(policy.resources)
        assert {prompt.name for prompt in FEATURES.prompts.visible(scope)} == set(policy.prompts)


def test_every_scope_has_words_and_implies_only_scopes_there_are() -> None:
    for policy in SCOPES.values():
        assert policy.title
        assert policy.words.endswith(".")
        assert set(policy.implies) <= set(SCOPES)
    assert set(RESOURCE_SCOPES) == {*SCOPES, *UMBRELLAS}
    assert set(ALL_SCOPES) - set(RESOURCE_SCOPES) == {"offline_access"}
