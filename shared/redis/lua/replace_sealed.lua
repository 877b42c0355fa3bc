-- Replaces a sealed value, if it is still the one that was read. What expires goes on expiring.
--
-- KEYS  1 the key
-- ARGV  1 the value that was read   2 its replacement   3 the field, when the key is a hash
-- Returns 1 when it was replaced, 0 when it changed or went meanwhile: then nothing was written.
if ARGV[3] then
  if redis.call('HGET', KEYS[1], ARGV[3]) ~= ARGV[1] then
    return 0
  end
  redis.call('HSET', KEYS[1], ARGV[3], ARGV[2])
else
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
  end
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
end
return 1
