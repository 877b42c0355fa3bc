"""The MCP resource server: Val Town as tools, behind OAuth access tokens.

    __main__    python -m mcp_server: serve, or the command line
    command_line another address, and the doctor
    serving     serve until told to stop
    app         the composition root: create_app(settings, redis=…)
    settings    what is read from the environment
    services    what endpoints may use
    endpoints/  one file a URL: /mcp, the well-known documents, the start page
    first_calls which calls are told to the timeline of the attempt their token came from
    auth/       which token is good, for whom, how far it reaches; the Val Town token behind it
    protocol/   MCP itself: JSON-RPC, revisions, methods; knows nothing of OAuth or FastAPI
    tools/      Val Town as plain async functions; knows nothing of HTTP
    sandbox/    a local Val Town to try it on; shares no code with the rest

Imports point one way: app, endpoints, services, then auth and protocol, then tools. Nothing here imports
auth_server: what both need is in `shared`.
"""
