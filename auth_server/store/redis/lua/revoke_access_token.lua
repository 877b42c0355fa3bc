-- Ends one access token; its grant lives on.
--
-- KEYS  1 deny key of the token
-- ARGV  1 entry (grant id:token id)   2 deny life (s)   3 feed channel
-- Returns 1.
deny(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return 1
