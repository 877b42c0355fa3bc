-- Keeps a new client, or nothing.
--
-- KEYS  1 client
-- ARGV  1 life (s), 0 for ever   2... fields and values
-- Returns 1, or 0 when there is such a client.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
if ARGV[1] ~= '0' then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return 1
