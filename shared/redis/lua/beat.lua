-- Proves that the store takes writes and that a subscriber has heard everything published before.
--
-- KEYS[1]  vt:meta:heartbeat
-- ARGV[1]  channel of the replica that asks
-- ARGV[2]  number of its beat
-- Returns  how many heard it.
--
-- The replica subscribes to this channel on the connection on which it hears revocations. The store sends on one
-- connection in order, so the beat comes back after every revocation that was published before it was asked for.
redis.call('INCR', KEYS[1])
return redis.call('PUBLISH', ARGV[1], 'beat ' .. ARGV[2])
