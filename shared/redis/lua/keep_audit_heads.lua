-- Keeps how far files of the audit log have come.
--
-- KEYS  1 heads: hash, name of the file -> '<number> <MAC>' of its last record   2 when each was kept last
-- ARGV  1 how many files at most   2 now, in seconds   then for each file: 3 name   4 number   5 MAC
for i = 3, #ARGV, 3 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  local number = known and tonumber(string.match(known, '^%d+')) or -1
  if tonumber(ARGV[i + 1]) > number then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
  end
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[i])
end
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[1])
if surplus > 0 then
  for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, surplus - 1)) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
  end
end
