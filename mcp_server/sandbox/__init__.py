"""A local stand-in of Val Town's REST API, for trying and testing this project without a Val Town account.

    __main__     python -m mcp_server.sandbox
    app          create_app(): routes, error answers, health
    start_page   GET /: what this is and which tokens to use
    accounts     ada and grace: their tokens, tier and permissions
    access       who is calling, and may they
    bodies       JSON request bodies, checked strictly
    parameters   path and query parameters, their limits
    conditions   If-Match, If-None-Match and their dates
    links        every URL the stand-in hands out
    errors       the answers that are not 2xx
    store        SQLite files, transactions, the clock
    vals         what a val is and who may see it
    branches     branches of a val, forks
    files        what may be done with the files of a branch
    tree         the versioned tree they are kept in
    environment  environment variables of a val
    blobs        bytes under a key
    sql          a real SQLite database for each account
    telemetry    logs and traces
    email        messages, kept instead of sent
    seed         the example vals of a fresh store
    routes/      one file per family of endpoints

It imports nothing of ours outside this package and nothing of ours imports it, so that the client and the
stand-in are not only true to each other. Where Val Town's documents are silent, the choice is said where it
is made.
"""
