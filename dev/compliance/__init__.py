"""`make compliance`: checks any deployment from outside, over HTTP alone.

report        one line a check, and the count at the end
target        what the deployment says about itself, and the clients and browsers that talk to it
discovery     RFC 9728, RFC 8414, JWKS
registration  RFC 7591
authorize     the authorization request (RFC 6749, RFC 7636, RFC 8707, RFC 9207)
pages         sign-in and consent, as a browser sees them
tokens        the token endpoint: codes, client authentication, the access token
refresh       the token endpoint: refresh tokens
mcp           /mcp: credentials, scopes, both eras
revocation    RFC 7009, and how long it takes
"""
