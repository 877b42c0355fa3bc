-- Enters the key a process seals with, unless the store has secrets that the process could not open.
--
-- KEYS  1 vt:meta:key-check (hash: key id -> a known text sealed with that key)
-- ARGV  1 '1': may begin an empty store   2 id of the key   3 the text sealed with it
--       4 and on: ids of every key the process has
-- Returns 1 when the key is entered, 0 when nothing was written.
--
-- Of processes that begin an empty store at once with different keys, the first decides who else may enter.
local entered = redis.call('HKEYS', KEYS[1])
if #entered == 0 and ARGV[1] ~= '1' then
  return 0
end
local here = {}
for i = 4, #ARGV do
  here[ARGV[i]] = true
end
for _, key_id in ipairs(entered) do
  if not here[key_id] then
    return 0
  end
end
redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3])
return 1
