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

-- Units that are in hands count as used just now: how far ahead it is at least.
local function least(limit, out)
    local us, ns = times(limit, out)
    if later(us, ns, limit.c, limit.d) then return limit.c, limit.d end
    return us, ns
end

-- So many were in hands until then: as many less had come back.
local function was_held(limit, at, out)
    if out == 0 then return end
    local us, ns = sum(at, 0, least(limit, out))
    if later(us, ns, number(limit.name .. 't'), number(limit.name .. 'm')) then move(limit, us, ns) end
end

-- What gateways have in hand, each in an entry `who:units:asked:until;`, and how much that is together. What is too
-- old is in nobody's hand any more.
local function hands(limit)
    local all, out, before, gone = {}, 0, 0, 0
    for who, units, asked, ends in string.gmatch(held[limit.name .. 'h'] or '', '(%x+):(%d+):(%d+):(%d+);') do
        units, ends = tonumber(units), tonumber(ends)
        before = before + units
        if ends > now then
            all[#all + 1] = { who = who, units = units, asked = tonumber(asked), ends = ends }
            out = out + units
        else
            gone = math.max(gone, ends)
        end
    end
    if gone > 0 then was_held(limit, gone, before) end
    was_held(limit, now, out)
    return all, out
end

local function hand_of(all, who)
    for _, hand in ipairs(all) do if hand.who == who then return hand end end
    local hand = { who = who, units = 0, asked = 0, ends = 0 }
    all[#all + 1] = hand
    return hand
end

local function write_hands(limit, all)
    local entries = {}
    for _, hand in ipairs(all) do
        if hand.units > 0 then
            entries[#entries + 1] = string.format('%s:%.0f:%.0f:%.0f;', hand.who, hand.units, hand.asked, hand.ends)
        end
    end
    local field = limit.name .. 'h'
    if #entries > 0 then write(field, table.concat(entries))
    elseif held[field] then held[field], changed[field] = nil, false end
end

-- How far ahead it is, while so many units are in hands, as it has to be after a clock was set back; and whether
-- one was.
local function ahead(limit, out)
    local us, ns = arrival(limit)
    us = us - now
    local least_us, least_ns = least(limit, out)
    if later(least_us, least_ns, us, ns) then us, ns = least_us, least_ns end
    local over_us, over_ns = less(us, ns, limit.c, limit.d)
    if not later(over_us, over_ns, SET_BACK, 0) then return us, ns, false end
    move(limit, now + limit.c, limit.d)
    write(limit.name .. 'l', now)
    return limit.c, limit.d, true
end

function pace.take(limit, units, beyond)
    local us, ns, healed = ahead(limit, 0)
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
    local wanted, ahead_us, most = limit.asked[1], limit.asked[4], limit.asked[5]
    local all, out = hands(limit)
    local hand, asked_us = hand_of(all, limit.asked[6]), limit.asked[8]
    -- What was said before what is known already says nothing new.
    if wanted > 0 and asked_us >= hand.asked then
        out = out - hand.units + limit.asked[7]
        hand.units, hand.asked, hand.ends = limit.asked[7], asked_us, now + KEPT
    end
    local us, ns = ahead(limit, out)
    local left = fitting(limit, less(limit.c, limit.d, us, ns))
    -- Where they are few, some of those that come next, ahead of their times.
    local comes = fitting(limit, less(limit.c + ahead_us, limit.d, us, ns))
    local units = math.max(share(left), math.min(wanted, math.ceil(math.min(comes, most) / 2)))
    -- Room and hands together are never more than there is at once.
    units = math.min(units, math.max(limit.amount - out, 0))
    hand.units = hand.units + units
    write_hands(limit, all)
    if units == 0 then
        local then_us, then_ns = sum(us, ns, limit.a, limit.b)
        return 0, left, 0, LAST, math.max(up(less(then_us, then_ns, limit.c, limit.d)), 1), 0, 0
    end
    seen_now(limit)
    local more_us, more_ns = times(limit, units)
    local then_us, then_ns = sum(us, ns, more_us, more_ns)
    move(limit, sum(now + us, ns, more_us, more_ns))
    return units, math.max(left - units, 0), 0, LAST, 0, up(less(then_us, then_ns, limit.c, limit.d)), 0
end

function pace.back(limit, _, units, who, asked_us)
    local all, out = hands(limit)
    local hand = hand_of(all, who)
    -- Where its gateway has asked since, it has not counted them in any more. What is not there makes no room, because
    -- what had come back meanwhile was not held against it.
    if hand.asked ~= asked_us then return end
    units = math.min(units, hand.units)
    hand.units, out = hand.units - units, out - units
    write_hands(limit, all)
    local us, ns = number(limit.name .. 't'), number(limit.name .. 'm')
    local less_us, less_ns = times(limit, units)
    less_us, less_ns = less(us, ns, less_us, less_ns)
    local least_us, least_ns = sum(now, 0, least(limit, out))
    if later(least_us, least_ns, less_us, less_ns) then less_us, less_ns = least_us, least_ns end
    if later(us, ns, less_us, less_ns) then move(limit, less_us, less_ns) end
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

function pace.lasts(limit) return math.max(number(limit.name .. 't'), number(limit.name .. 'o')) - now end
