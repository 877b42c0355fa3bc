-- Notes which servers hold the data, and when they last became others.
--
-- KEYS  1 vt:meta:epoch (hash: identity, changed_at)
-- ARGV  1 clock offset (ms)   2 identity of the servers
-- Returns when they changed last, in milliseconds since the epoch as a string; '0': never, as far as is known.
-- Atomic: of several replicas that notice a change, the first notes its time, and all get the same.
local known = redis.call('HMGET', KEYS[1], 'identity', 'changed_at')
if known[1] == ARGV[2] then
  return known[2] or '0'
end
local changed_at = '0'
if known[1] then
  local time = redis.call('TIME')
  changed_at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1]))
end
redis.call('HSET', KEYS[1], 'identity', ARGV[2], 'changed_at', changed_at)
return changed_at
