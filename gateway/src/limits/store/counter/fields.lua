-- The limits of one subject, counted together by all gateways, as crates/throttle counts them in one.
--
-- All files of this folder are one script, in the order in which `counter.rs` joins them.
--
-- KEYS[1] is a hash with every counter of the subject, so that all its windows are on one node. ARGV[1]
-- says what to do; then come the limits, each in as many arguments as STRIDE says:
--   1 the first letters of its fields   2 the rule of its stretch of time   3 its amount
--   4 what happens where it is used up: 0 refuse, 1 mark, 2 only tried
--   5-8 numbers of the rule:
--     f<length>             windows that follow each other: length
--     c<period>             of the calendar: the ends of the last, of this and of the next one
--     r<length>             rolling, in slots: length of a slot
--     p<us>.<ns>.<amount>   a pace: increment (us, ns), how far ahead when full (us, ns)
--   9- what is asked: take: units; settle: place, when, units, actual; back: place, units, who, when it asked; grant:
--      units, gateways, units that are owed, how far ahead of its time one may be given of a pace that is used up or
--      how long before its window begins, how many those are of a pace, who asks, how many units of a pace it has in
--      hand, when it asks by its own clock, 1 where it wants them of the window that comes next
--
-- Time is that of this engine, in microseconds, which are whole below 2^53; nanoseconds are kept apart.

local STRIDE = { take = 9, grant = 17, settle = 12, back = 12, state = 8 }
local MOST = 9007199254740991
-- What lies further ahead was written by a clock that has been set back since.
local SET_BACK = 60000000
local SLOTS = 17
local NOT_TAKEN = -1
local REFUSE, MARK = 0, 1
-- For how long units of a pace may be used, and are taken to be in the hand of who got them.
local LAST, KEPT = 2500000, 3000000

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local held, changed = {}, {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do held[flat[i]] = flat[i + 1] end

local function number(field) return tonumber(held[field]) or 0 end

local function write(field, value)
    if type(value) == 'number' then value = string.format('%.0f', value) end
    if held[field] ~= value then
        held[field] = value
        changed[field] = value
    end
end

-- A number of microseconds and one of nanoseconds below 1000.
local function times(limit, units)
    local ns = units * limit.b
    return units * limit.a + math.floor(ns / 1000), ns % 1000
end

local function sum(us, ns, more_us, more_ns)
    local all = ns + more_ns
    return us + more_us + math.floor(all / 1000), all % 1000
end

-- Never below nothing.
local function less(us, ns, take_us, take_ns)
    us, ns = us - take_us, ns - take_ns
    if ns < 0 then us, ns = us - 1, ns + 1000 end
    if us < 0 then return 0, 0 end
    return us, ns
end

local function later(us, ns, other_us, other_ns)
    return us > other_us or (us == other_us and ns > other_ns)
end

local function up(us, ns) if ns > 0 then return us + 1 end return us end
