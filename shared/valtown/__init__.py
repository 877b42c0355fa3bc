"""Val Town's REST API.

client      ValTownClient: every call, typed
endpoints/  the calls, one module a family of endpoints
transport   one bounded exchange: deadline, size, retries, the credential
target      URLs that no argument can redirect
fair_share  how many calls one user may have running
models      Val Town's records
errors      its refusals
"""
