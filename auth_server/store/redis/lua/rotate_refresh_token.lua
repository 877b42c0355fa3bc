-- Replaces the current refresh token of a family by its successor.
--
-- KEYS  1 grant   2 successor   3 credential   4 deny   5 code   6 usage
-- ARGV  1 clock offset (ms)   2 grant id   3 client id   4 generation presented   5 hash presented
--       6 hash of the successor   7 sealed response   8 grace window (ms)   9 refresh token life (ms)
--       10 access token life (ms)   11 clock skew (s)   12 feed channel   13 tombstone life (ms)
--       14 version of the grant that the access token was made for
--       15 epoch of the store in which a token that is ahead is healed, or ''
--       16 person whom the access token was made for
-- Returns {Rotation, sealed response or ''}. 'ok' once per generation; 'replayed' repeats the first answer;
-- 'reused' has revoked the grant; all others changed nothing. 'changed': the person narrowed the grant since the
-- token was made. 'ahead': of a generation that was never recorded here, because the store lost it. With an epoch it
-- is healed: taken for the current one, once in that epoch; a second one that is ahead is reuse, because the first
-- was not the newest then. A repeated first answer may hold a token from before: it is denied, and the refresh token is good.
local now = milliseconds(ARGV[1])
local grant = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do grant[flat[i]] = flat[i + 1] end
if grant.status == nil then return { 'unknown', '' } end
if grant.client ~= ARGV[3] then return { 'wrong_client', '' } end
if grant.status ~= 'active' then return { 'revoked', '' } end
-- What the token says was read before; should it have been another's record, nobody may get it.
if grant.subject ~= ARGV[16] then return redis.error_reply('ERR the grant is another person\'s') end
local generation = tonumber(grant.generation)
local presented = tonumber(ARGV[4])
local ahead = presented > generation
if ahead and ARGV[15] == '' then return { 'ahead', '' } end
local healed = ahead and grant.healed ~= ARGV[15]
if tonumber(grant.ends_at) <= now then return { 'expired', '' } end

if healed or grant.refresh == ARGV[5] then
  if not healed and tonumber(grant.idle_at) <= now then return { 'expired', '' } end
  if (grant.version or '0') ~= ARGV[14] then return { 'changed', '' } end
  local refresh_life = tonumber(ARGV[9])
  redis.call('HSET', KEYS[1], 'previous', ARGV[5], 'rotated_at', now, 'refresh', ARGV[6],
    'generation', presented + 1, 'idle_at', now + refresh_life, 'used_at', now,
    'access_until', math.max(tonumber(grant.access_until or '0'), now + tonumber(ARGV[10])))
  if healed then redis.call('HSET', KEYS[1], 'healed', ARGV[15]) end
  local grace = tonumber(ARGV[8])
  if grace > 0 then
    redis.call('SET', KEYS[2], ARGV[7], 'PX', grace)
  else
    redis.call('DEL', KEYS[2])
  end
  local left = math.min(refresh_life, tonumber(grant.ends_at) - now)
  local keep = math.max(left, tonumber(ARGV[10]), tonumber(ARGV[13]))
  redis.call('PEXPIRE', KEYS[1], keep)
  redis.call('PEXPIRE', KEYS[3], keep)
  return { 'ok', '' }
end

if grant.previous == ARGV[5] and now - tonumber(grant.rotated_at) < tonumber(ARGV[8]) then
  local response = redis.call('GET', KEYS[2])
  if response then return { 'replayed', response } end
end
end_grant(KEYS[1], KEYS[5], KEYS[2], KEYS[3], KEYS[6], 'refresh_token_reused', now)
redis.call('PEXPIRE', KEYS[1], ARGV[13])
deny(KEYS[4], ARGV[2], deny_seconds(grant.access_until, now, ARGV[11]), ARGV[12])
return { 'reused', '' }
