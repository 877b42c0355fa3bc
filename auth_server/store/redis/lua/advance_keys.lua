-- Makes every transition of the keyring whose time has come. Safe to repeat, on any number of replicas at once.
--
-- KEYS  1 sealed keys (hash by kid)   2 their records (hash by kid)
-- ARGV  1 clock offset (ms)   2 access token life (ms)   3 how long a key stays beyond it (ms)   4 feed channel
-- Returns 1 when something changed, else 0.
local now = milliseconds(ARGV[1])
local life = tonumber(ARGV[2])
local ring = read_ring(KEYS[2])
local active = find(ring, is_active)
if active and (active.life or 0) < life then
  -- Replicas may have different settings for a while: the longest life counts.
  active.life = life
  write_record(KEYS[2], active)
end
if advance(KEYS[1], KEYS[2], ring, now, life, tonumber(ARGV[3])) then
  tell(ARGV[4])
  return 1
end
return 0
