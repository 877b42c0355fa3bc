"""Mutation testing of the authorization server's rules and grants, with mutmut."""
