-- Adds a step to the record of an attempt.
--
-- KEYS  1 record: a list of steps, each a JSON object
-- ARGV  1 the step   2 how many steps there may be   3 life of the record in seconds ('0': only if it is there)
--       4 '1': not if the same was recorded before
-- Returns 'added', 'counted' (the same as the last one, which counts it), 'known', 'full' or 'gone'.
local length = redis.call('LLEN', KEYS[1])
if length == 0 and ARGV[3] == '0' then return 'gone' end
local new = cjson.decode(ARGV[1])
local function is_same(text)
  local old = cjson.decode(text)
  return old, old.step == new.step and old.reason == new.reason and old.status == new.status
end
if ARGV[4] == '1' then
  for _, text in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
    local _, same = is_same(text)
    if same then return 'known' end
  end
elseif length > 0 then
  local old, same = is_same(redis.call('LINDEX', KEYS[1], -1))
  if same and old.replica == new.replica then
    old.times = (old.times or 1) + 1
    old.last = new.at
    redis.call('LSET', KEYS[1], -1, cjson.encode(old))
    return 'counted'
  end
end
if length >= tonumber(ARGV[2]) then return 'full' end
redis.call('RPUSH', KEYS[1], ARGV[1])
if length == 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return 'added'
