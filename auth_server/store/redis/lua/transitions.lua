-- Prelude of every script on a grant: the store's time, and what revoking means.

-- Milliseconds since the epoch by the store's clock, plus an offset that only tests set.
local function milliseconds(offset)
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(offset)
end

-- How many seconds a revocation must be remembered: until the last access token is over, clock skew included.
local function deny_seconds(access_until, now, skew)
  return math.max(math.ceil((tonumber(access_until or '0') - now) / 1000), 0) + tonumber(skew)
end

-- Tells every mcp_server that a grant (or one token of it) is over. The key is for replicas that connect later.
local function deny(deny_key, entry, seconds, channel)
  redis.call('SET', deny_key, '1', 'EX', seconds)
  redis.call('PUBLISH', channel, 'deny ' .. entry .. ' ' .. seconds)
end

-- Ends a grant: it stays as a tombstone, so that revoked is told apart from unknown; its secrets go.
local function end_grant(grant_key, code_key, successor_key, credential_key, usage_key, reason, now)
  redis.call('HSET', grant_key, 'status', 'revoked', 'reason', reason, 'revoked_at', now)
  redis.call('HDEL', grant_key, 'refresh', 'previous')
  redis.call('DEL', code_key, successor_key, credential_key, usage_key)
end
