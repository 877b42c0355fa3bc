"""The audit log: every decision, denials too, in files whose lines hang together by a keyed chain.

- `events`   the closed vocabulary: what was decided, how it went, why
- `acting`   who acts in the request being answered
- `chain`    a record as a line, its MAC, and the keys
- `files`    one file after another, of one process
- `log`      takes records from requests, which never wait, and has a thread write them
- `heads`    how far each file has come, kept in the store
- `reading`  checks files, and reads their records

Nothing reads it to decide anything. It holds no secret: arguments are there as keyed digests alone.
"""
