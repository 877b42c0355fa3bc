-- Adds calls to what a grant was used for.
--
-- KEYS  1 grant   2 usage
-- ARGV  1 clock offset (ms)   2 days that are kept   then pairs: a field ('tool:…' or 'scope:…'), and how often it
--       was called; the field 'calls' is counted by the day.
-- Returns 1, or 0 when the grant is over: what was recorded of one that was revoked does not come back.
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'active' then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
local today = math.floor(now / 86400000)
for i = 3, #ARGV, 2 do
  local field = ARGV[i] == 'calls' and 'day:' .. today or ARGV[i]
  redis.call('HINCRBY', KEYS[2], field, ARGV[i + 1])
end
redis.call('HSETNX', KEYS[2], 'first', now)
redis.call('HSET', KEYS[2], 'last', now)
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  local day = tonumber(string.match(field, '^day:(%d+)$') or today)
  if day <= today - tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[2], field)
  end
end
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
  redis.call('PEXPIRE', KEYS[2], left)
end
return 1
