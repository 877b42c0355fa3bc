-- Takes tokens from a bucket that fills up steadily (GCRA): one key, whatever the size of the bucket.
--
-- KEYS  1 bucket (string: when it will be full again, in milliseconds)
-- ARGV  1 clock offset (ms)   2 milliseconds in which one token comes back   3 size of the bucket   4 tokens wanted
-- Returns 0 when they were taken, else the milliseconds until they will be there; then nothing was taken.
-- Atomic: of several callers at once no more get tokens than there are. A full bucket has no key.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
local interval = tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + interval * tonumber(ARGV[4])
local wait = full_at - now - interval * tonumber(ARGV[3])
if wait > 0 then
  return wait
end
redis.call('SET', KEYS[1], full_at, 'PX', full_at - now)
return 0
