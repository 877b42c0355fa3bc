"""What the Make targets run; no service imports it.

run         `make run`: .env, store, sandbox, both services, wait until ready, say where everything is
environment what `make run` starts with: .env (written when there is none), ports, URLs
banner      what `make run` prints when everything is ready
demo        `make demo`: the whole flow on the terminal; demo_connection and demo_story have the steps,
            demo_narrator prints them
compliance  `make compliance`: checks any deployment from outside
mutation    `make mutation`: whether tests notice when a rule breaks
deployment  the sandbox and both services on free ports, for the demo and the end-to-end tests
flow        an OAuth client and the person's browser, by script
mcp_messages requests to /mcp, as clients of each era send them
store       which store a run or the tests use, and starting it
local_store a Redis or Valkey server of our own, on this machine
container   a Redis server in a container, for the tests
processes   child processes that are watched, stopped, and never outlive us
"""
