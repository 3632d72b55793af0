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
    if units == 0 then return 0, left, here, lasts, too_old(limit, slots, 1), 0, 0 end
    ring.take(limit, units, false)
    return units, left - units, here, lasts, 0, 0, 0
end

function ring.charge(limit, units) ring.take(limit, units, true) end

function ring.settle(limit, place, _, units, actual)
    local named, count = slot(limit, place)
    if number(named) == place then
        write(count, math.min(math.max(number(count) - units, 0) + actual, MOST))
    end
end

function ring.back(limit, place, units) ring.settle(limit, place, now, units, 0) end

function ring.state(limit)
    local _, used, slots = seen(limit)
    local reset = 0
    if used > 0 then reset = too_old(limit, slots, used) end
    return math.max(limit.amount - used, 0), reset
end

function ring.lasts(limit) return (SLOTS + 1) * limit.a end
