-- Replaces the metadata of a client that one registration alone uses.
--
-- KEYS  1 client
-- ARGV  1 metadata (JSON)
-- Returns a Management: 'ok', 'gone', or 'shared', when nothing was changed.
-- Atomic with join_client: a client that is shared is never changed, and one that was changed is never shared again.
local record = redis.call('HMGET', KEYS[1], 'client_id', 'registrations', 'closed')
if not record[1] or record[3] then
  return 'gone'
end
if tonumber(record[2] or '1') > 1 then
  return 'shared'
end
redis.call('HSET', KEYS[1], 'metadata', ARGV[1], 'fingerprint', '')
return 'ok'
