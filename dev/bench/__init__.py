"""`make bench`: what the services cost, as ratios to a bare server and to peers, measured in one run.

    __main__       the command: which groups, how long, what is printed and written
    rows           what a line is, and how servers are held against each other, in turns
    mcp_rows       requests to /mcp, against bare uvicorn, FastMCP and the SDK
    latency_rows   how long calls take at half load; how long a revocation takes
    token_rows     codes and refreshes, against signing alone and oidc-provider
    cost_rows      memory of workers, cold start
    memory_rows    what a kept token, a grant and a client take
    scale_rows     one, two, three replicas; processor time of a request
    model          from these costs to a large installation, on paper
    load           wrk on one core, the server under test on another
    driver         a load of our own: where wrk is missing, and paced, which wrk cannot
    token_load     the load of the token endpoint
    people         who connects apps, for grants, codes and refresh tokens
    store_memory   what the store holds
    servers        what is measured: ours, bare uvicorn, the peers
    proc           memory and processor time of a process
    environments   where the peers are installed
    bare           an ASGI app that returns prepared bytes and does nothing else
    peers          the same tool on FastMCP and the SDK, and oidc-provider
    results        what was measured, as JSON
    report         lines on the terminal, and docs/benchmark.md
    chart          docs/benchmark.svg
    profiling      a command of its own, `make profile`: a flame graph of a worker under load
    flame          the flame graph as SVG
    audit          a command of its own: what a record of the audit log costs

Everything runs on this computer; absolute numbers depend on it, the ratios are what counts.
"""
