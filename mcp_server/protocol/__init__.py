"""MCP itself, on the `mcp-types` models: no OAuth, no FastAPI.

    versions    the revisions, and all that differs between them
    jsonrpc     bytes to messages, answers to bytes
    headers     which revision a request speaks; its headers held against its body
    methods     one handler a method
    dispatcher  a request from bytes to answer

A new method is a handler in `methods` and its line in the table there; what grows beyond that gets a module
of its own beside these.
"""
