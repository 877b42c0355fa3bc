"""The rules. They take values, return values and raise `OAuthError`; no FastAPI, no Redis."""
