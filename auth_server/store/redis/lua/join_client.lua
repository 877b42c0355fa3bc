-- Lets one more registration share a public client.
--
-- KEYS  1 client
-- ARGV  1 fingerprint of the registration   2 life that must be left at least (ms)
-- Returns {the record's fields and values, life that is left (ms)}, or false: the client is gone, was changed or is
-- being removed, and must not be handed out.
-- Atomic with replace_client and close_client: whoever joined can rely on nobody else changing the client.
if redis.call('HGET', KEYS[1], 'fingerprint') ~= ARGV[1] then
  return false
end
-- Sharing is free, so it must not keep a client alive that nobody uses; what is nearly over is registered anew.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  return false
end
redis.call('HINCRBY', KEYS[1], 'registrations', 1)
return { redis.call('HGETALL', KEYS[1]), redis.call('PTTL', KEYS[1]) }
