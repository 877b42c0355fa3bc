"""OAuth vocabulary both services share: errors, scopes, the access token's claims."""
