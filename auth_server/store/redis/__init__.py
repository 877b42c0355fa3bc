"""The store on Redis or Valkey, one file per record; every check-then-write is one Lua script."""
