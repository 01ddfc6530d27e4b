#!lua
-- Stands before each script. By its first line Redis refuses a script that it could not finish, out
-- of memory or as a replica, before the script has written anything.
--
-- KEYS: for each claim its count and its leases, then one more key.
--   count   hash: spent, reserved, and end, when it may begin anew; of a rolling window, in place of
--           spent, what each slice has spent, by the slice's end
--   leases  sorted set: an amount with its reservation, by the lease's end
-- ARGV: now, the reservation, one more value; then six for each claim. Times are milliseconds.

-- Lua's numbers are exact up to 2^53, and amounts go to 2^63-1. So an amount stays a string, and is
-- calculated with as two numbers: the billions, and the rest.
local BILLION = 1000000000
local MOST = '9223372036854775807'

local function parts(amount)
  return tonumber(string.sub(amount, 1, -10)) or 0, tonumber(string.sub(amount, -9))
end

local function whole(billions, rest)
  return billions == 0 and string.format('%d', rest) or string.format('%d%09d', billions, rest)
end

local function exceeds(one, other)
  local billions, rest = parts(one)
  local others, otherRest = parts(other)
  return billions > others or billions == others and rest > otherRest
end

-- A sum that overflowed would leave room for anything.
local function plus(one, other)
  local billions, rest = parts(one)
  local others, otherRest = parts(other)
  billions, rest = billions + others, rest + otherRest
  if rest >= BILLION then
    billions, rest = billions + 1, rest - BILLION
  end
  if billions > 9223372036 or billions == 9223372036 and rest > 854775807 then
    return MOST
  end
  return whole(billions, rest)
end

local function minus(one, other)
  if exceeds(other, one) then
    return '0'
  end
  local billions, rest = parts(one)
  local others, otherRest = parts(other)
  billions, rest = billions - others, rest - otherRest
  if rest < 0 then
    billions, rest = billions - 1, rest + BILLION
  end
  return whole(billions, rest)
end

local now = tonumber(ARGV[1])
local reservation = ARGV[2]
local claims = {}
for i = 1, (#ARGV - 3) / 6 do
  local first = 3 + 6 * (i - 1)
  claims[i] = {
    count = KEYS[2 * i - 1],
    leases = KEYS[2 * i],
    amount = ARGV[first + 1],
    lease = ARGV[first + 1] .. ' ' .. reservation,
    -- The limit; what was used if the claim is settled.
    value = ARGV[first + 2],
    windowEnd = ARGV[first + 3],
    -- For so long the keys are kept; -1 for ever.
    kept = tonumber(ARGV[first + 4]),
    -- Of a rolling window the slice of now and the moment it begins after; else empty.
    slice = ARGV[first + 5],
    start = tonumber(ARGV[first + 6])
  }
end

local function get(claim, field)
  return redis.call('HGET', claim.count, field) or '0'
end

local function add(claim, field, amount)
  redis.call('HSET', claim.count, field, plus(get(claim, field), amount))
end

local function giveBack(claim, lease)
  if redis.call('ZREM', claim.leases, lease) == 1 then
    local amount = string.match(lease, '^%d+')
    redis.call('HSET', claim.count, 'reserved', minus(get(claim, 'reserved'), amount))
  end
end

local function hold(claim, leaseEnd)
  if redis.call('ZADD', claim.leases, leaseEnd, claim.lease) == 1 then
    add(claim, 'reserved', claim.amount)
  end
end

-- Gives back what was reserved for so long that whoever did must have died.
local function endLeases(claim)
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', claim.leases, '-inf', now)) do
    giveBack(claim, lease)
  end
end

local function spentInSlices(claim)
  local spent = '0'
  local fields = redis.call('HGETALL', claim.count)
  for i = 1, #fields, 2 do
    local slice = tonumber(fields[i])
    if slice and slice <= claim.start then
      redis.call('HDEL', claim.count, fields[i])
    elseif slice then
      spent = plus(spent, fields[i + 1])
    end
  end
  return spent
end

-- A session's count begins anew after a time in which nobody has kept it.
local function spent(claim)
  if claim.start then
    return spentInSlices(claim)
  end
  local ended = tonumber(redis.call('HGET', claim.count, 'end'))
  if ended and now > ended and now < tonumber(claim.windowEnd) and get(claim, 'reserved') == '0' then
    redis.call('HDEL', claim.count, 'spent')
  end
  return get(claim, 'spent')
end

local function expire(key, kept)
  if kept < 0 then
    redis.call('PERSIST', key)
  elseif redis.call('PTTL', key) < kept then
    redis.call('PEXPIRE', key, kept)
  end
end

local function keep(claim)
  if exceeds(claim.windowEnd, get(claim, 'end')) then
    redis.call('HSET', claim.count, 'end', claim.windowEnd)
  end
  expire(claim.count, claim.kept)
  expire(claim.leases, claim.kept)
end
