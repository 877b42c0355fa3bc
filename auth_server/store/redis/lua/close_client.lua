-- Begins the removal of a client: from now on it is unknown to everybody but its owner, who may repeat the removal.
--
-- KEYS  1 client
-- ARGV  1 life of the closed record (s)   2 '1': also when it is shared
-- Returns a Management: 'ok' (also when it was closed before), 'gone', or 'shared', when nothing was changed.
-- Atomic with join_client: a client that is shared is not removed by one of those who share it.
local record = redis.call('HMGET', KEYS[1], 'client_id', 'registrations')
if not record[1] then
  return 'gone'
end
if tonumber(record[2] or '1') > 1 and ARGV[2] ~= '1' then
  return 'shared'
end
redis.call('HSET', KEYS[1], 'closed', '1', 'fingerprint', '')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 'ok'
