"""The end of a client: whatever was issued to it ends too (RFC 7592 section 2.3)."""

from auth_server.store.base import ClientStore, GrantStore, Management


async def remove_client(
    clients: ClientStore, grants: GrantStore, client_id: str, *, by_operator: bool = False
) -> Management:
    """Remove a client, its grants, and their access tokens at every mcp_server; return what became of it.

    The client is closed first, so that no new grant can come; it is forgotten last, so that an interrupted
    removal can be repeated. The operator may remove what others share, and looks for every grant.
    """
    outcome = await clients.close(client_id, though_shared=by_operator)
    if outcome is Management.OK:
        await grants.revoke_client(client_id, thorough=by_operator)
        await clients.remove(client_id)
    return outcome
