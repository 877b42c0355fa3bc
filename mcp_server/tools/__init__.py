"""Val Town as MCP tools.

    registry      @tool: a plain async function becomes a Tool with schemas; Tool.call; ToolRegistry
    arguments     what a client sent → what the function takes, forgiving about spelling, not about names
    schema        pydantic's JSON Schema → the lean one that clients see
    failures      any refusal → text a language model can act on
    context       what a tool gets from the layer above
    references    how tools name vals, branches, users and paths
    places        where a tool works: a branch at a version, and what is there
    agreement     whether the person agrees to what cannot be undone
    effects       the annotations there are
    paging        walking Val Town's lists within bounds
    results       how tools show Val Town's records
    comparing     what differs between two states of a val
    sql_reading   which SQL only reads
    originals     the names of the first server, as aliases
    catalog       build_registry(): the families, by their sets

    meta user orgs vals finding remix branches merging files edits history endpoints environment blobs sqlite
    telemetry email: the tools, one module a family

A new tool is a function in its family's module, a line in that module's TOOLS and one in `shared/policy.py`.
"""
