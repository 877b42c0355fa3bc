"""The timeline of an authorization attempt: what happened to it, where, and what never came.

- `steps`     the closed vocabulary, and the id of an attempt
- `store`     `vt:flow:<id>`: the record, a day long, bounded
- `recorder`  brings steps to the store beside the requests, which never wait for it

It is for people who look for a fault. Nothing reads it to decide anything, and nothing waits for it.
"""
