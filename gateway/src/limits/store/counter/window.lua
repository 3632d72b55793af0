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

-- Units that were given before the window that ends at <x> began. They count in that one as soon as it is there.
local function early(limit, place)
    return number(limit.name .. 'x') == place and number(limit.name .. 'y') or 0
end

function window.used(limit)
    local here, ahead = ends(limit)
    local there, used = number(limit.name .. 'e'), number(limit.name .. 'u')
    if there ~= here and (there < here or there > ahead) then there, used = here, 0 end
    return there, used + early(limit, there)
end

local function count(limit, place, used)
    write(limit.name .. 'e', place)
    write(limit.name .. 'u', used)
    local x, y = limit.name .. 'x', limit.name .. 'y'
    if held[x] and number(x) <= place then
        held[x], changed[x], held[y], changed[y] = nil, false, nil, false
    end
end

function window.fill(limit, used) count(limit, (ends(limit)), used) end

function window.take(limit, units, beyond)
    local place, used = window.used(limit)
    local over = used + math.max(units, 1) > limit.amount
    if over and not beyond then return nil, math.max(place - now, 1) end
    count(limit, place, math.min(used + units, MOST))
    return place, over
end

-- Of the window behind the one that ends at <place>, shortly before it begins.
local function grant_next(limit, share, place)
    local begins, ends_at = math.max(place - now, 1), place + limit.a
    local given = early(limit, ends_at)
    local left = math.max(limit.amount - given, 0)
    local units = 0
    if limit.kind == 'f' and begins <= limit.asked[4] then units = share(left) end
    if units == 0 then return 0, left, 0, 0, begins, 0, begins end
    write(limit.name .. 'x', ends_at)
    write(limit.name .. 'y', given + units)
    return units, left - units, ends_at, ends_at - now, 0, 0, begins
end

function window.grant(limit, share)
    local place, used = window.used(limit)
    if limit.asked[9] == 1 then
        -- What is counted of the window that is there stays counted in it.
        if early(limit, place) > 0 then count(limit, place, used) end
        return grant_next(limit, share, place)
    end
    local left = math.max(limit.amount - used, 0)
    local units, lasts = share(left), math.max(place - now, 1)
    if units == 0 then return 0, left, place, lasts, lasts, 0, 0 end
    count(limit, place, used + units)
    return units, left - units, place, lasts, 0, 0, 0
end

function window.charge(limit, units)
    local place, used = window.used(limit)
    count(limit, place, math.min(used + units, MOST))
end

function window.settle(limit, place, _, units, actual)
    if units ~= actual and number(limit.name .. 'e') == place then
        local used = math.max(number(limit.name .. 'u') - units, 0)
        write(limit.name .. 'u', math.min(used + actual, MOST))
    end
end

function window.back(limit, place, units)
    local given = early(limit, place)
    if given == 0 then return window.settle(limit, place, now, units, 0) end
    write(limit.name .. 'y', math.max(given - units, 0))
end

function window.state(limit)
    local place, used = window.used(limit)
    return math.max(limit.amount - used, 0), math.max(place - now, 1)
end

function window.lasts(limit) return math.max(number(limit.name .. 'e'), number(limit.name .. 'x')) - now end
