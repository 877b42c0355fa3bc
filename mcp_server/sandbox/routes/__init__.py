"""One file per family of endpoints; each has a `router`, listed in `mcp_server.sandbox.app`."""
