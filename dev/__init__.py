"""What the Make targets run; no service imports it.

run         `make run`: .env, store, sandbox, both services, wait until ready, say where everything is
environment what `make run` starts with: .env (written when there is none), ports, URLs
banner      what `make run` prints when everything is ready
store       which store a run or the tests use, and starting it
local_store a Redis or Valkey server of our own, on this machine
container   a Redis server in a container, for the tests
processes   child processes that are watched, stopped, and never outlive us
"""
