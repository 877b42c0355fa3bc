"""The stand-in's authorization server: what signing in with Val Town needs.

Val Town's two origins, www.val.town and api.val.town, are one here. `{base}` is its address:

    GET  {base}/.well-known/oauth-authorization-server    RFC 8414; issuer {base}/oauth. Val Town publishes it
                                                          here, without the issuer's path, and so does this;
    GET  {base}/.well-known/oauth-authorization-server/oauth    the place RFC 8414 section 3.1 says it has
    GET  {base}/.well-known/oauth-protected-resource      RFC 9728; the resource is {base}
    POST {base}/oauth/reg                                 RFC 7591, open to everyone
    GET  {base}/oauth/auth                                the page that asks; for tests, without the page:
    POST {base}/oauth/auth?<the same query>               account=ada|grace & decision=allow|deny
    POST {base}/oauth/token                               authorization_code and refresh_token
    POST {base}/oauth/token/revocation                    RFC 7009
    POST {base}/connections/{id}/withdraw                 a person takes access back (`GET {base}/`)

    scopes      what may be asked for, and which permissions it opens
    metadata    the discovery documents
    clients     registration
    register    its endpoint
    authorize   the authorization request, its page and its answer
    connections one app in one account: codes, access tokens, refresh tokens, their ends
    token       the token endpoint and revocation
    forms       parameters in a query or a form, none of them twice
    errors      refusals with an OAuth code

Where Val Town's documents are silent it does what npm's `oidc-provider` does, whose paths and token lengths
Val Town's server has. Most of all: `offline_access` counts only with `prompt=consent`, a refresh token is
good for one use, and a code or refresh token that comes back ends the connection. Access tokens are opaque.
Left out: OpenID Connect, the device flow and client_credentials.
"""
