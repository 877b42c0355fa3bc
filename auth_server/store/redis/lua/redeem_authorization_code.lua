-- Checks a code against everything it is bound to and uses it up.
--
-- KEYS  1 grant   2 code   3 credential   4 deny   5 successor   6 usage   7 link to the attempt's timeline
-- ARGV  1 clock offset (ms)   2 grant id   3 code hash   4 client id   5 redirect uri sent ('0' or '1')
--       6 redirect uri   7 code challenge made from the verifier   8 refresh token hash ('' for none)
--       9 refresh token life (ms)   10 access token life (ms)   11 clock skew (s)   12 feed channel
--       13 tombstone life (ms)   14 version of the grant that the access token was made for
--       15 person whom the access token was made for
-- Returns a Redemption. 'ok' at most once per code; 'reused' has revoked the grant; all others changed nothing.
-- 'changed': the person narrowed the grant since the token was made.
--
-- Used is judged before expired, so that a late replay is still noticed; and after client, redirect uri and
-- verifier, so that nobody without them can revoke a grant (OAuth 2.1 section 7.5.2).
local now = milliseconds(ARGV[1])
local code = {}
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do code[flat[i]] = flat[i + 1] end
if code.hash ~= ARGV[3] then return 'unknown' end
if code.client ~= ARGV[4] then return 'wrong_client' end
if ARGV[5] == '1' and code.redirect_uri ~= ARGV[6] then return 'wrong_redirect_uri' end
if code.challenge ~= ARGV[7] then return 'wrong_verifier' end
local status = redis.call('HGET', KEYS[1], 'status')
if code.status ~= 'new' then
  if status ~= 'revoked' then
    local access_until = redis.call('HGET', KEYS[1], 'access_until')
    end_grant(KEYS[1], KEYS[2], KEYS[5], KEYS[3], KEYS[6], 'code_reused', now)
    deny(KEYS[4], ARGV[2], deny_seconds(access_until, now, ARGV[11]), ARGV[12])
  end
  return 'reused'
end
if tonumber(code.expires_at) <= now then return 'expired' end
if status ~= 'pending' then return 'revoked' end
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[14] then return 'changed' end

-- What the token says was read before; should it have been another's record, nobody may get it.
if redis.call('HGET', KEYS[1], 'subject') ~= ARGV[15] then
  return redis.error_reply('ERR the grant is another person\'s')
end

local ends_at = tonumber(redis.call('HGET', KEYS[1], 'ends_at'))
local life = tonumber(ARGV[10])
-- From here on the grant lasts longer than that is remembered, and names the attempt itself.
redis.call('DEL', KEYS[7])
redis.call('HSET', KEYS[2], 'status', 'used')
redis.call('PEXPIRE', KEYS[2], ARGV[13])
redis.call('HSET', KEYS[1], 'status', 'active', 'used_at', now, 'access_until', now + tonumber(ARGV[10]))
if ARGV[8] ~= '' then
  life = math.max(life, tonumber(ARGV[9]))
  redis.call('HSET', KEYS[1], 'generation', 1, 'refresh', ARGV[8], 'idle_at', now + tonumber(ARGV[9]))
end
local keep = math.max(math.min(life, ends_at - now), tonumber(ARGV[10]), tonumber(ARGV[13]))
redis.call('PEXPIRE', KEYS[1], keep)
redis.call('PEXPIRE', KEYS[3], keep)
return 'ok'
