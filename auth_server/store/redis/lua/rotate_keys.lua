-- Begins one rotation: the key that stands by longest becomes due as soon as it was published long enough, and a
-- new one takes its place. Several rotations queue up, each at the earliest safe moment.
--
-- KEYS  1 sealed keys (hash by kid)   2 their records (hash by kid)
-- ARGV  1 clock offset (ms)   2 kid of the new key   3 the new key, sealed   4 algorithm
--       5 lead (ms)   6 access token life (ms)   7 how long a key stays beyond it (ms)   8 most published keys
--       9 kid that must be active and without a successor, or '': any   10 feed channel
-- Returns {'rotated', kid that will sign, when (ms)}, {'not_needed'} or {'full'}.
local now = milliseconds(ARGV[1])
local lead, life, margin = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local ring = read_ring(KEYS[2])
advance(KEYS[1], KEYS[2], ring, now, life, margin)
local active = find(ring, is_active)
if ARGV[9] ~= '' and (not active or active.kid ~= ARGV[9] or find(ring, is_due)) then
  return { 'not_needed' }
end
if not active or redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return { 'not_needed' } end
if count_published(ring) >= tonumber(ARGV[8]) then return { 'full' } end

local new = { kid = ARGV[2], state = 'next', algorithm = ARGV[4], published_at = now, imported = false }
local chosen = find(ring, function(record) return stands_by(record) and record.algorithm == ARGV[4] end) or new
schedule(ring, chosen, now, lead)
local due_at = chosen.due_at
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
write_record(KEYS[2], new)
write_record(KEYS[2], chosen)
ring[#ring + 1] = new
advance(KEYS[1], KEYS[2], ring, now, life, margin)
tell(ARGV[10])
return { 'rotated', chosen.kid, tostring(due_at) }
