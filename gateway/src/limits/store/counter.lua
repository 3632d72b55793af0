-- The limits of one subject, counted together by all gateways, as crates/throttle counts them in one.
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
--   9- what is asked: take: units; grant: units, gateways, units that are owed, how far ahead of its time one may
--      be given of a pace that is used up, and how many those are; settle: place, when, units, actual
--
-- Time is that of this engine, in microseconds, which are whole below 2^53; nanoseconds are kept apart.

local STRIDE = { take = 9, grant = 13, settle = 12, state = 8 }
local MOST = 9007199254740991
-- What lies further ahead was written by a clock that has been set back since.
local SET_BACK = 60000000
local SLOTS = 17
local NOT_TAKEN = -1
local REFUSE, MARK = 0, 1

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

----- windows that follow each other

local window = {}

-- The end of the window that holds this moment, and of the latest one that a clock may have been in.
local function ends(limit)
    if limit.kind == 'f' then
        local here = (math.floor(now / limit.a) + 1) * limit.a
        local ahead = (math.floor((now + SET_BACK) / limit.a) + 1) * limit.a
        return here, math.max(ahead, here + limit.a)
    end
    if now < limit.a then return limit.a, limit.b end
    if now < limit.b then return limit.b, limit.c end
    if now < limit.c then return limit.c, limit.c end
    return nil
end

function window.used(limit)
    local here, ahead = ends(limit)
    local there = number(limit.name .. 'e')
    if there == here or (there > here and there <= ahead) then
        return there, number(limit.name .. 'u')
    end
    return here, 0
end

function window.fill(limit, used)
    write(limit.name .. 'e', (ends(limit)))
    write(limit.name .. 'u', used)
end

function window.take(limit, units, beyond)
    local place, used = window.used(limit)
    local over = used + math.max(units, 1) > limit.amount
    if over and not beyond then return nil, math.max(place - now, 1) end
    write(limit.name .. 'e', place)
    write(limit.name .. 'u', math.min(used + units, MOST))
    return place, over
end

function window.grant(limit, share)
    local place, used = window.used(limit)
    local left = math.max(limit.amount - used, 0)
    local units, lasts = share(left), math.max(place - now, 1)
    if units == 0 then return 0, left, place, lasts, lasts, 0 end
    write(limit.name .. 'e', place)
    write(limit.name .. 'u', used + units)
    return units, left - units, place, lasts, 0, 0
end

function window.charge(limit, units)
    local place, used = window.used(limit)
    write(limit.name .. 'e', place)
    write(limit.name .. 'u', math.min(used + units, MOST))
end

function window.settle(limit, place, _, units, actual)
    if units ~= actual and number(limit.name .. 'e') == place then
        local used = math.max(number(limit.name .. 'u') - units, 0)
        write(limit.name .. 'u', math.min(used + actual, MOST))
    end
end

function window.state(limit)
    local place, used = window.used(limit)
    return math.max(limit.amount - used, 0), math.max(place - now, 1)
end

function window.lasts(limit) return number(limit.name .. 'e') - now end

----- a rolling one: slots of a sixteenth, and one for the sixteenth that has begun

local ring = {}

local function slot(limit, named) return limit.name .. 'n' .. named % SLOTS, limit.name .. 'c' .. named % SLOTS end

local function seen(limit)
    local here, used, slots = math.floor(now / limit.a), 0, {}
    for i = 0, SLOTS - 1 do
        local count = number(limit.name .. 'c' .. i)
        local named = number(limit.name .. 'n' .. i)
        if count > 0 and math.abs(here - named) < SLOTS then
            used = used + count
            slots[#slots + 1] = { named, count }
        end
    end
    return here, used, slots
end

-- When so many of those that count are too old.
local function too_old(limit, slots, units)
    table.sort(slots, function(one, other) return one[1] < other[1] end)
    local leaves = 0
    for _, entry in ipairs(slots) do
        leaves = (entry[1] + SLOTS) * limit.a
        units = units - entry[2]
        if units <= 0 then break end
    end
    return math.max(leaves - now, 1)
end

function ring.used(limit) return seen(limit) end

function ring.fill(limit, used)
    local here = math.floor(now / limit.a)
    local named, count = slot(limit, here)
    write(named, here)
    write(count, used)
end

function ring.take(limit, units, beyond)
    local here = math.floor(now / limit.a)
    local named, count = slot(limit, here)
    local before = number(named) == here and number(count) or 0
    write(named, here)
    write(count, math.min(before + units, MOST))
    local _, used, slots = seen(limit)
    local needed = used
    if units == 0 then needed = used + 1 end
    local over = needed > limit.amount
    if over and not beyond then
        write(count, before)
        return nil, too_old(limit, slots, needed - limit.amount)
    end
    return here, over
end

function ring.grant(limit, share)
    local here, used, slots = seen(limit)
    local left = math.max(limit.amount - used, 0)
    local units = share(left)
    local lasts = math.max((here + 1) * limit.a - now, 1)
    if units == 0 then return 0, left, here, lasts, too_old(limit, slots, 1), 0 end
    ring.take(limit, units, false)
    return units, left - units, here, lasts, 0, 0
end

function ring.charge(limit, units) ring.take(limit, units, true) end

function ring.settle(limit, place, _, units, actual)
    local named, count = slot(limit, place)
    if number(named) == place then
        write(count, math.min(math.max(number(count) - units, 0) + actual, MOST))
    end
end

function ring.state(limit)
    local _, used, slots = seen(limit)
    local reset = 0
    if used > 0 then reset = too_old(limit, slots, used) end
    return math.max(limit.amount - used, 0), reset
end

function ring.lasts(limit) return (SLOTS + 1) * limit.a end

----- a pace: when the next unit would come if all came evenly (GCRA)

local pace = {}

local function arrival(limit)
    local us, ns = number(limit.name .. 't'), number(limit.name .. 'm')
    if us < now then return now, 0 end
    return us, ns
end

local function move(limit, us, ns)
    write(limit.name .. 't', us)
    write(limit.name .. 'm', ns)
end

local function seen_now(limit)
    if number(limit.name .. 'l') < now then write(limit.name .. 'l', now) end
end

-- How far ahead it is, as it has to be after a clock was set back; and whether one was.
local function ahead(limit)
    local us, ns = arrival(limit)
    us = us - now
    local over_us, over_ns = less(us, ns, limit.c, limit.d)
    if not later(over_us, over_ns, SET_BACK, 0) then return us, ns, false end
    move(limit, now + limit.c, limit.d)
    write(limit.name .. 'l', now)
    return limit.c, limit.d, true
end

function pace.take(limit, units, beyond)
    local us, ns, healed = ahead(limit)
    local wait = up(limit.a, limit.b)
    if not healed then
        local wanted_us, wanted_ns = times(limit, math.max(units, 1))
        local then_us, then_ns = sum(us, ns, wanted_us, wanted_ns)
        wait = up(less(then_us, then_ns, limit.c, limit.d))
    end
    if wait > 0 then
        -- A pace is not counted beyond: it would take ever longer to come back to it.
        if beyond then return NOT_TAKEN, true end
        return nil, wait
    end
    seen_now(limit)
    local more_us, more_ns = times(limit, units)
    move(limit, sum(now + us, ns, more_us, more_ns))
    return 0, false
end

-- How many units fit into that.
local function fitting(limit, room_us, room_ns)
    local units = math.floor((room_us * 1000 + room_ns) / (limit.a * 1000 + limit.b))
    local more_us, more_ns = times(limit, units)
    -- What was rounded on the way must not give away more.
    if units > 0 and later(more_us, more_ns, room_us, room_ns) then units = units - 1 end
    return units
end

function pace.grant(limit, share)
    local us, ns = ahead(limit)
    local left = fitting(limit, less(limit.c, limit.d, us, ns))
    -- Where they are few, some of those that come next, ahead of their times.
    local wanted, ahead_us, most = limit.asked[1], limit.asked[4], limit.asked[5]
    local comes = fitting(limit, less(limit.c + ahead_us, limit.d, us, ns))
    local units = math.max(share(left), math.min(wanted, math.ceil(math.min(comes, most) / 2)))
    if units == 0 then
        local then_us, then_ns = sum(us, ns, limit.a, limit.b)
        return 0, left, 0, MOST, math.max(up(less(then_us, then_ns, limit.c, limit.d)), 1), 0
    end
    seen_now(limit)
    local more_us, more_ns = times(limit, units)
    local then_us, then_ns = sum(us, ns, more_us, more_ns)
    move(limit, sum(now + us, ns, more_us, more_ns))
    return units, math.max(left - units, 0), 0, MOST, 0, up(less(then_us, then_ns, limit.c, limit.d))
end

function pace.settle(limit, _, taken, units, actual)
    local us, ns = number(limit.name .. 't'), number(limit.name .. 'm')
    local latest = number(limit.name .. 'l')
    if actual < units then
        local room_us, room_ns = times(limit, units - actual)
        room_us, room_ns = less(room_us, room_ns, math.max(latest - taken, 0), 0)
        if room_us > 0 or room_ns > 0 then move(limit, less(us, ns, room_us, room_ns)) end
    elseif actual > units then
        local most_us, most_ns = sum(math.max(latest, taken) + SET_BACK, 0, limit.c, limit.d)
        if later(us, ns, most_us, most_ns) then most_us, most_ns = us, ns end
        if us < taken then us, ns = taken, 0 end
        local more_us, more_ns = times(limit, actual - units)
        us, ns = sum(us, ns, more_us, more_ns)
        if later(us, ns, most_us, most_ns) then us, ns = most_us, most_ns end
        move(limit, us, ns)
    end
end

function pace.charge(limit, units) pace.settle(limit, 0, now, 0, units) end

function pace.state(limit)
    local us, ns = number(limit.name .. 't'), number(limit.name .. 'm')
    us, ns = less(us, ns, now, 0)
    local room_us, room_ns = less(limit.c, limit.d, us, ns)
    local left = math.floor((room_us * 1000 + room_ns) / (limit.a * 1000 + limit.b))
    local most_us, most_ns = sum(limit.c, limit.d, SET_BACK, 0)
    if later(us, ns, most_us, most_ns) then us, ns = most_us, most_ns end
    return left, up(us, ns)
end

function pace.lasts(limit) return number(limit.name .. 't') - now end

----- what is there already, when the rule of a limit has changed

local KINDS = { f = window, c = window, r = ring, p = pace }

local function used_before(name, rule)
    local kind, length = string.match(rule, '^(.)(%d*)')
    if kind == 'r' then
        local _, used = seen({ name = name, a = tonumber(length) })
        return used
    end
    if number(name .. 'e') > now then return number(name .. 'u') end
    return 0
end

local function forget(name)
    for field in pairs(held) do
        if string.sub(field, 1, #name) == name then
            held[field] = nil
            changed[field] = false
        end
    end
end

-- Open units stay open, at the new pace.
local function repace(limit, rule)
    local us, ns = string.match(rule, '^p(%d+)%.(%d+)')
    local latest = number(limit.name .. 'l')
    local open_us, open_ns = less(number(limit.name .. 't'), number(limit.name .. 'm'), latest, 0)
    local scale = (limit.a * 1000 + limit.b) / (us * 1000 + ns)
    local open = math.floor((open_us * 1000 + open_ns) * scale)
    local then_us, then_ns = math.floor(open / 1000), open % 1000
    if later(then_us, then_ns, limit.c, limit.d) then then_us, then_ns = limit.c, limit.d end
    move(limit, sum(latest, 0, then_us, then_ns))
end

local function follow(limit)
    local field = limit.name .. 'k'
    local rule = held[field]
    if rule == limit.rule then return end
    if rule and limit.kind == 'p' then
        repace(limit, rule)
    elseif rule then
        local used = used_before(limit.name, rule)
        forget(limit.name)
        if used > 0 then limit.counter.fill(limit, used) end
    end
    write(field, limit.rule)
end

----- what is asked

local op = ARGV[1]
local stride = STRIDE[op]
local limits = {}
for at = 2, #ARGV, stride do
    local rule = ARGV[at + 1]
    local limit = {
        name = ARGV[at], rule = rule, kind = string.sub(rule, 1, 1), amount = tonumber(ARGV[at + 2]),
        effect = tonumber(ARGV[at + 3]), a = tonumber(ARGV[at + 4]), b = tonumber(ARGV[at + 5]),
        c = tonumber(ARGV[at + 6]), d = tonumber(ARGV[at + 7]), asked = {},
    }
    for i = 8, stride - 1 do limit.asked[i - 7] = tonumber(ARGV[at + i]) end
    limit.counter = KINDS[limit.kind]
    -- Nothing has been written yet: a gateway whose clock is off by more than a window counts nothing.
    if limit.kind == 'c' and not ends(limit) then return redis.error_reply('CLOCK is not that of this gateway') end
    limits[#limits + 1] = limit
end
for _, limit in ipairs(limits) do follow(limit) end

local answer = { now }

local function say(...)
    for i = 1, select('#', ...) do answer[#answer + 1] = (select(i, ...)) end
end

local function say_states()
    for _, limit in ipairs(limits) do say(limit.counter.state(limit)) end
end

local asked = {}

function asked.take()
    local places, refused, wait, over, shadow = {}, 0, 0, 0, 0
    for i, limit in ipairs(limits) do
        local place, second = limit.counter.take(limit, limit.asked[1], limit.effect == MARK)
        if place then
            if second then over = 1 end
        elseif limit.effect == REFUSE or limit.effect == MARK then
            refused, wait = i, second
            break
        else
            shadow, place = 1, NOT_TAKEN
        end
        places[i] = place
    end
    if refused > 0 then
        for i, place in ipairs(places) do
            local limit = limits[i]
            if place ~= NOT_TAKEN then limit.counter.settle(limit, place, now, limit.asked[1], 0) end
        end
    end
    say(refused, wait, over, shadow)
    for i = 1, #limits do say(places[i] or NOT_TAKEN) end
    say_states()
end

function asked.grant()
    for _, limit in ipairs(limits) do
        local wanted, gateways, owed = limit.asked[1], math.max(limit.asked[2], 1), limit.asked[3]
        -- What was used without having been given away counts first.
        if owed > 0 then limit.counter.charge(limit, owed) end
        say(limit.counter.grant(limit, function(left)
            -- Half of a fair share at most; the less is left, the smaller, down to one at a time.
            return math.min(wanted, math.max(math.floor(left / (gateways * 2)), 1), left)
        end))
    end
    say_states()
end

function asked.settle()
    for _, limit in ipairs(limits) do limit.counter.settle(limit, unpack(limit.asked)) end
end

asked.state = say_states

asked[op]()

local set, gone = {}, {}
for field, value in pairs(changed) do
    if value then
        set[#set + 1] = field
        set[#set + 1] = value
    else
        gone[#gone + 1] = field
    end
end
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
if #set > 0 then
    redis.call('HSET', KEYS[1], unpack(set))
    local lasts = 0
    for _, limit in ipairs(limits) do lasts = math.max(lasts, limit.counter.lasts(limit)) end
    local lasts_ms = math.ceil((lasts + SET_BACK) / 1000)
    if redis.call('PTTL', KEYS[1]) < lasts_ms then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lasts_ms)) end
end
return answer
