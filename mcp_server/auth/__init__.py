"""The guard: which token is good, for whom, and how far it reaches."""
