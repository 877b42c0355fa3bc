#!lua
-- Advances the revocation feed's heartbeat, at most once in `interval` whoever calls.
--
-- KEYS[1]  vt:meta:heartbeat  (hash: n, at)
-- ARGV[1]  least milliseconds between two beats
-- ARGV[2]  the feed's channel
-- Returns  1 when this call made the beat, else 0.
--
-- Published after every revocation that came before it on this server, a beat proves to a subscriber that it has
-- heard them all.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('HGET', KEYS[1], 'at') or '0')
if now - last < tonumber(ARGV[1]) and now >= last then
  return 0
end
redis.call('HSET', KEYS[1], 'at', now)
local n = redis.call('HINCRBY', KEYS[1], 'n', 1)
redis.call('PUBLISH', ARGV[2], 'beat ' .. n)
return 1
