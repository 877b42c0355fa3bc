-- Returns a pending authorization once.
--
-- KEYS  1 pending authorization
-- ARGV  1 clock offset (ms)   2 hash of the browser's cookie
-- Returns the record, and deletes it; false when there is none, it is over, or it is another browser's
-- (then it stays).
local record = redis.call('HMGET', KEYS[1], 'browser', 'expires_at', 'request')
if not record[1] or record[1] ~= ARGV[2] or tonumber(record[2]) <= milliseconds(ARGV[1]) then
  return false
end
redis.call('DEL', KEYS[1])
return record[3]
