-- Takes a key out at once, with every token it signed. Emergencies only.
--
-- KEYS  1 sealed keys (hash by kid)   2 their records (hash by kid)   3 deny key of the signing key
-- ARGV  1 clock offset (ms)   2 kid   3 access token life (ms)   4 how long a key stays beyond it (ms)
--       5 feed channel   6 how long the key is denied (s)   7 kid of a new key   8 the new key, sealed
--       9 its algorithm
-- Returns {'revoked', kid that signs now}, or {'unknown', ''}: not in the ring, or gone already (then it is
-- denied again, so that the command can be repeated).
--
-- If it was the active key, the next one signs from now on, published long enough or not; without a next one the
-- new key is taken up.
local now = milliseconds(ARGV[1])
local ring = read_ring(KEYS[2])
local record = find(ring, function(each) return each.kid == ARGV[2] end)
if not record then return { 'unknown', '' } end
local outcome = record.state == 'gone' and 'unknown' or 'revoked'
if record.state ~= 'gone' then
  local was_active = is_active(record)
  record.revoked = true
  remove(KEYS[1], KEYS[2], record, now)
  if was_active then
    local successor = find(ring, is_due) or find(ring, stands_by)
    if not successor then
      successor = { kid = ARGV[7], algorithm = ARGV[9], published_at = now, imported = false }
      redis.call('HSET', KEYS[1], ARGV[7], ARGV[8])
      ring[#ring + 1] = successor
    end
    promote(KEYS[2], ring, successor, now, tonumber(ARGV[3]), tonumber(ARGV[4]))
  end
end
deny(KEYS[3], 'keys:' .. ARGV[2], ARGV[6], ARGV[5])
tell(ARGV[5])
local active = find(ring, is_active)
return { outcome, active and active.kid or '' }
