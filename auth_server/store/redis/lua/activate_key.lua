-- Makes a signing key the active one; the one before retires and stays published.
--
-- KEYS  1 keyring (hash: kid -> sealed key)   2 states (hash: kid -> "state milliseconds")
-- ARGV  1 clock offset (ms)   2 kid   3 sealed key   4 '1': also when another key is active
-- Returns 1 when the key became active, 0 when nothing changed: it is known already, whatever its state (so a
-- restart does not undo a rotation), or another one is active and stays.
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then
  return 0
end
local now = milliseconds(ARGV[1])
local states = redis.call('HGETALL', KEYS[2])
local active = {}
for i = 1, #states, 2 do
  if string.sub(states[i + 1], 1, 7) == 'active ' then
    active[#active + 1] = states[i]
  end
end
if #active > 0 and ARGV[4] ~= '1' then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
for _, kid in ipairs(active) do
  redis.call('HSET', KEYS[2], kid, 'retiring ' .. now)
end
redis.call('HSET', KEYS[2], ARGV[2], 'active ' .. now)
return 1
