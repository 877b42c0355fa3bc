-- Adds a key to the ring, if it is needed.
--
-- KEYS  1 sealed keys (hash by kid)   2 their records (hash by kid)
-- ARGV  1 clock offset (ms)   2 kid   3 sealed key   4 algorithm
--       5 'first': active, if there is no active key
--         'standby': next, if none of this algorithm stands by
--         'scheduled': active if there is no active key, else next and due after the lead
--       6 lead: how long a key is published before it signs (ms)   7 access token life (ms)
--       8 '1': came from the settings   9 most published keys   10 feed channel
-- Returns 'added', 'not_needed', 'full', or the state of a key that is known: a key is never added twice, so one
-- that is retiring or gone does not come back.
local now = milliseconds(ARGV[1])
local ring = read_ring(KEYS[2])
local known = find(ring, function(record) return record.kid == ARGV[2] end)
if known then return known.state end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return 'not_needed' end

local role, lead, imported = ARGV[5], tonumber(ARGV[6]), ARGV[8] == '1'
local active = find(ring, is_active)
if role == 'first' and active then return 'not_needed' end
if role == 'standby' then
  local other = find(ring, function(record) return stands_by(record) and record.algorithm == ARGV[4] end)
  if other or not active then return 'not_needed' end
end
if role == 'scheduled' and active and not imported then
  local other = find(ring, function(record) return is_due(record) and record.algorithm == ARGV[4] end)
  if other then return 'not_needed' end
end
if count_published(ring) >= tonumber(ARGV[9]) then return 'full' end

local record = { kid = ARGV[2], state = 'next', algorithm = ARGV[4], published_at = now, imported = imported }
if not active then
  record.state = 'active'
  record.activated_at = now
  record.life = tonumber(ARGV[7])
elseif role == 'scheduled' then
  schedule(ring, record, now, lead)
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
write_record(KEYS[2], record)
tell(ARGV[10])
return 'added'
