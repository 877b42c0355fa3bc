"""MCP itself, on the `mcp-types` models: no OAuth, no FastAPI.

    versions      the revisions, and all that differs between them
    jsonrpc       bytes to messages, answers to bytes
    headers       which revision a request speaks; its headers held against its body
    dispatcher    a request from bytes to answer
    methods       one handler a method, and the capabilities that follow from it
    reach         which scope a request needs, before anything runs
    features      the three registries: what is offered
    lists cursors readings completion
                  what handlers do that is more than a line
    parameters    whether they fit the revision's schema
    calls         one call as a tool sees it: progress, log, questions
    input_states  what was asked and answered, sealed and carried by the client
    encoding      results in the shape of a revision

A new method is a handler in `methods` and its line in the table there; what grows beyond that gets a module
of its own beside these.
"""
