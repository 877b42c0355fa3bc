"""The official conformance suite against our servers: `python -m dev.conformance`, or `make conformance`.

suite          the suite itself: from npm, with a Node that it runs on, into .run/conformance
server         the scenarios for MCP servers, of both revisions, against `tests.conformance.server`
authorization  the scenarios for authorization servers, against the services as they are
report         docs/conformance.md, the table of results
expected_failures_*.yml
               what cannot pass, and why; the suite fails when an entry is stale
"""
