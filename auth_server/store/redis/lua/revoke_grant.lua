-- Ends a grant and everything issued from it.
--
-- KEYS  1 grant   2 code   3 successor   4 credential   5 deny   6 usage
-- ARGV  1 clock offset (ms)   2 grant id   3 reason   4 clock skew (s)   5 feed channel   6 tombstone life (ms)
-- Returns 1 when the grant was alive, else 0. Safe to repeat: a revoked grant is told to every mcp_server again.
local now = milliseconds(ARGV[1])
local status = redis.call('HGET', KEYS[1], 'status')
if not status then
  return 0
end
if status ~= 'revoked' then
  end_grant(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[6], ARGV[3], now)
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
deny(KEYS[5], ARGV[2], deny_seconds(redis.call('HGET', KEYS[1], 'access_until'), now, ARGV[4]), ARGV[5])
return status ~= 'revoked' and 1 or 0
