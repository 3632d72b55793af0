----- what is there already, when the rule of a limit has changed

local KINDS = { f = window, c = window, r = ring, p = pace }

local function used_before(name, rule)
    local kind, length = string.match(rule, '^(.)(%d*)')
    if kind == 'r' then
        local _, used = seen({ name = name, a = tonumber(length) })
        return used
    end
    local used = 0
    if number(name .. 'e') > now then used = number(name .. 'u') end
    -- Given before the window began, or before it does.
    if number(name .. 'x') > now then used = used + number(name .. 'y') end
    return used
end

local function forget(name)
    for field in pairs(held) do
        if string.sub(field, 1, #name) == name then
            held[field] = nil
            changed[field] = false
        end
    end
end

-- How many of those units that were used of a wider pace and did not fit into a narrower one have not come back yet,
-- the last of them at <o> and one each step of the rule <q>.
local function left_over(limit)
    local left = number(limit.name .. 'o') - now
    if left <= 0 then return 0, nil end
    local us, ns = string.match(held[limit.name .. 'q'], '^p(%d+)%.(%d+)')
    local step = us + ns / 1000
    return math.ceil(left / step), step
end

-- Open units stay open, at the new pace. Those that do not fit into a narrower one are there again when it becomes wider,
-- as it does over and over while gateways hear of a change one by one.
local function repace(limit, rule)
    local us, ns, amount = string.match(rule, '^p(%d+)%.(%d+)%.(%d+)')
    local step, over, over_step = us + ns / 1000, left_over(limit)
    local at_us, at_ns = arrival(limit)
    local ahead = at_us - now + at_ns / 1000
    -- What was given ahead of its time, or is owed, is waited for in any case.
    local beyond = math.max(ahead - amount * step, 0)
    local open = math.ceil((ahead - beyond) / step) + over
    local fits = math.min(open, limit.amount)
    local wait = math.min(math.ceil(beyond / step * (limit.a + limit.b / 1000)), SET_BACK)
    local then_us, then_ns = times(limit, fits)
    move(limit, sum(now + wait, 0, then_us, then_ns))
    local last, by = limit.name .. 'o', limit.name .. 'q'
    if open > fits then
        if not over_step or step < over_step then write(by, rule) else step = over_step end
        write(last, now + math.ceil((open - fits) * step))
    elseif held[last] then
        held[last], changed[last], held[by], changed[by] = nil, false, nil, false
    end
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
