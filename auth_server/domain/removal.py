"""The end of a client: whatever was issued to it ends too (RFC 7592 section 2.3)."""

from auth_server.store.base import ClientStore, GrantStore, Management


async def remove_client(
    clients: ClientStore, grants: GrantStore, client_id: str, *, though_shared: bool = False
) -> Management:
    """Remove a client, its grants, and their access tokens at every mcp_server; return what became of it.

    The client is closed first, so that no new grant can come; it is forgotten last, so that an interrupted
    removal can be repeated.
    """
    outcome = await clients.close(client_id, though_shared=though_shared)
    if outcome is Management.OK:
        await grants.revoke_client(client_id)
        await clients.remove(client_id)
    return outcome
