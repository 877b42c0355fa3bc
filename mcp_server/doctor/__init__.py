"""`python -m mcp_server doctor URL`: walks what a client walks, and says why one does not connect."""
