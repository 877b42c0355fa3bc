-- Takes scopes from a grant, and ends the access tokens that carry them.
--
-- KEYS  1 grant   2 deny key of the version that ends
-- ARGV  1 clock offset (ms)   2 grant id   3 version the scopes were worked out from   4 scope that is left
--       5 clock skew (s)   6 feed channel
-- Returns 'ok'; 'changed' when the grant has another version, 'gone' when it is over: then nothing was changed.
-- What was approved first is kept: a client may go on asking for it (RFC 6749 section 6), and gets what is left.
local grant = redis.call('HMGET', KEYS[1], 'status', 'version', 'scope', 'access_until')
if grant[1] ~= 'pending' and grant[1] ~= 'active' then return 'gone' end
local version = grant[2] or '0'
if version ~= ARGV[3] then return 'changed' end
redis.call('HSETNX', KEYS[1], 'approved', grant[3])
redis.call('HSET', KEYS[1], 'scope', ARGV[4], 'version', version + 1)
deny(KEYS[2], ARGV[2] .. ':v' .. version, deny_seconds(grant[4], milliseconds(ARGV[1]), ARGV[5]), ARGV[6])
return 'ok'
