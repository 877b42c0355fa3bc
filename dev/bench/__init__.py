"""`make bench`: what the services cost, as ratios to a bare server and to peers, measured in one run.

    __main__   the command: which rows, how long, what is printed
    rows       one function per row of the table: what is measured against what
    load       one wrk on one core, the server under test on another
    servers    what is measured: ours, bare uvicorn, FastMCP
    bare       an ASGI app that returns prepared bytes and does nothing else
    peer       the same two tools on FastMCP, run in an environment of its own
    audit      a command of its own: what a record of the audit log costs
    report     the table and the JSON file

Everything runs on this computer; absolute numbers depend on it, the ratios are what counts.
"""
