-- Keeps a pending grant, its code and its credential, or nothing.
--
-- KEYS  1 grant   2 code   3 credential   4 link to the attempt's timeline
-- ARGV  1 clock offset (ms)   2 life of the code (ms)   3 life of the grant (ms)   4 sealed credential
--       5 client id   6 subject   7 user name   8 scope   9 resource
--       10 code hash   11 redirect uri   12 code challenge   13 ids of the vals it is limited to ('': no limit)
--       14 id of the attempt ('': none)   15 how long that is remembered (s)
-- Returns 1, or 0 when the grant id is taken.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local now = milliseconds(ARGV[1])
local code_life = tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'status', 'pending', 'client', ARGV[5], 'subject', ARGV[6], 'username', ARGV[7],
  'scope', ARGV[8], 'resource', ARGV[9], 'generation', 0, 'created_at', now, 'ends_at', now + tonumber(ARGV[3]))
if ARGV[13] ~= '' then
  redis.call('HSET', KEYS[1], 'vals', ARGV[13])
end
if ARGV[14] ~= '' then
  redis.call('HSET', KEYS[1], 'flow', ARGV[14])
  redis.call('SET', KEYS[4], ARGV[14], 'EX', ARGV[15])
end
redis.call('HSET', KEYS[2], 'status', 'new', 'hash', ARGV[10], 'client', ARGV[5], 'redirect_uri', ARGV[11],
  'challenge', ARGV[12], 'expires_at', now + code_life)
redis.call('SET', KEYS[3], ARGV[4])
-- The keys outlive the code a little: whether it expired is judged by expires_at.
for place = 1, 3 do
  redis.call('PEXPIRE', KEYS[place], code_life + 60000)
end
return 1
