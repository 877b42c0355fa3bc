"""The scope in each tool's decorator and the table in shared/policy.py are one map."""

from mcp_server.tools.catalog import build_registry
from shared.policy import SCOPE_OF_TOOL, SCOPES


def test_every_tool_names_the_scope_that_the_policy_table_gives_it() -> None:
    tools = {tool.name: tool.scope for tool in build_registry().visible(frozenset(SCOPES))}
    assert tools == dict(SCOPE_OF_TOOL)


def test_whoami_alone_needs_no_scope() -> None:
    assert [tool.name for tool in build_registry().visible(frozenset())] == ["whoami"]


def test_a_scope_shows_its_tools_and_no_others() -> None:
    names = [tool.name for tool in build_registry().visible(frozenset({"files:read"}))]
    assert names == ["whoami", "list_files", "read_file"]
