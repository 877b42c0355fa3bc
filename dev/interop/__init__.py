"""Real MCP clients against two replicas of each service: `python -m dev.interop`, or `make interop`.

matrix     which clients, registrations and eras there are
packages   the clients, installed into `.run/interop`, each language in an environment of its own
drivers    small programs around a client; they speak JSON lines with `driver`
driver     a driver as a process, and the person who is asked by it
stack      the services behind proxies that send each request to the next replica
evidence   what the proxies saw, and whether it shows what a phase claims
phases     connect, list tools, call, refresh, step up, revocation
foreign    resource servers that are not ours, with our tokens
report     docs/interop.md
"""
