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
    -- A name is no number.
    if op == 'grant' then limit.asked[6] = ARGV[at + 13] elseif op == 'back' then limit.asked[3] = ARGV[at + 10] end
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

function asked.back()
    for _, limit in ipairs(limits) do limit.counter.back(limit, unpack(limit.asked)) end
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
