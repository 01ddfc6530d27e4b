-- The last key is the mark, a value that stays the same for as long as Redis keeps the counts. The
-- third value is the lease's end. Returns the claim that does not fit, or -1, and the mark.
local mark = redis.call('GET', KEYS[#KEYS])
if not mark then
  mark = reservation
  redis.call('SET', KEYS[#KEYS], mark)
end

-- Compared by subtraction: a sum stays at the most.
local function fits(claim)
  local limit, taken = claim.value, plus(spent(claim), get(claim, 'reserved'))
  return not exceeds(taken, limit) and not exceeds(claim.amount, minus(limit, taken))
end

for i, claim in ipairs(claims) do
  endLeases(claim)
  local free = fits(claim)
  keep(claim)
  if not free then
    return {i - 1, mark}
  end
end
for _, claim in ipairs(claims) do
  hold(claim, ARGV[3])
  keep(claim)
end
return {-1, mark}
