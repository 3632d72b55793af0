-- How many gateways share what this engine counts?
--
-- KEYS[1] is a sorted set of their names by when they were last heard of. ARGV[1] is how many microseconds
-- a gateway counts that is not heard of again, ARGV[2] the name of the one that says so now, ARGV[3] 1 when
-- it leaves.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
if ARGV[3] == '1' then
    redis.call('ZREM', KEYS[1], ARGV[2])
else
    redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[2])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[1]))
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[1] / 1000))
return redis.call('ZCARD', KEYS[1])
