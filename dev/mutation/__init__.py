"""Mutation testing of the authorization server's rules, with mutmut."""
