"""What crosses between the two services, and nothing else.

A module lives here when both services need it to agree (errors, policy, token claims, revocation, sealed
credentials) or when both really run it (Redis connection, Val Town client, settings, logs, ASGI middleware).
What only one service uses lives in that service. This package imports neither of them.
"""
