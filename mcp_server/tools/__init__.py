"""Val Town as MCP tools.

    registry      @tool: a plain async function becomes a Tool with schemas; Tool.call; ToolRegistry
    arguments     what a client sent → what the function takes, forgiving about spelling, not about names
    schema        pydantic's JSON Schema → the lean one that clients see
    failures      any refusal → text a language model can act on
    context       what a tool gets from the layer above
    references    how tools name vals, branches and paths
    paging        walking Val Town's lists within bounds
    results       how tools show Val Town's records
    user vals files meta   the tools, one module a family
    catalog       build_registry(): the list of families

A new tool is a function in its family's module, a line in that module's TOOLS and one in `shared/policy.py`.
"""
