"""One file a URL: take the request apart, call, answer. No rules of MCP or OAuth live here.

mcp        POST /mcp
metadata   the well-known documents
home       GET /
bearer     the credential of a request → who calls
rebinding  Host and Origin
errors     every refusal → HTTP
"""
