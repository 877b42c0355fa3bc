"""A server with what the official conformance suite calls, on the product's own protocol layer and endpoint.

tools questions readings   the suite's fixtures: plain tools, tools that ask, resources and prompts
server                     the server, and before it a proxy that adds the access token the suite cannot send
"""
