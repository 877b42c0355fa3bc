"""The authorization server: an OAuth 2.1 server whose people sign in with Val Town.

Layout, from the outside in; imports point downwards only:

- `__main__`    `python -m auth_server`: serve, or run a command
- `serving`     serve until told to stop
- `commands`    what an operator does at the terminal beside that: `python -m auth_server clients`
- `app`         the composition root: settings in, FastAPI app out; `build_grants` is the list of grant types
- `front`       what stands in front of them all: headers, CORS, overload, OAuth switched off
- `endpoints`   one file per URL: parse, call, respond; `endpoints.errors` turns refusals into HTTP
- `services`    what endpoints may use, in one typed object
- `grants`      one file per grant type of the token endpoint
- `sign_in`     one file per way to sign in
- `domain`      the rules: redirect URIs, PKCE, resources, registration, approval, tokens, keys
- `store.base`  what is kept, and which steps are atomic; `store.keyring` the same of signing keys
- `store.redis` the same on Redis; only `app` and `commands` import it
- `models`      the records
- `settings`    the environment, checked
"""
