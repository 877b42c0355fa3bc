-- Begins the removal of a client that was found to be unused, if nothing has happened to it since.
--
-- KEYS  1 client
-- ARGV  1 registrations that share it, as seen   2 when it expires, as seen (ms since the epoch)
--       3 life of the closed record (s)
-- Returns 1, or 0: it is gone, or was joined, used or held since, and nothing was changed.
-- Atomic with join_client and with whatever puts off the expiry: a client that came into use is not closed.
if (redis.call('HGET', KEYS[1], 'registrations') or '1') ~= ARGV[1] then
  return 0
end
if redis.call('PEXPIRETIME', KEYS[1]) ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], 'closed', '1', 'fingerprint', '')
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
