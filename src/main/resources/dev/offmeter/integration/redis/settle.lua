-- The last key says for a while that the reservation is settled, because a request whose answer was
-- lost may come again. The third value is how long.
if not redis.call('SET', KEYS[#KEYS], '', 'NX', 'PX', ARGV[3]) then
  return {}
end
for _, claim in ipairs(claims) do
  giveBack(claim, claim.lease)
  add(claim, claim.start and claim.slice or 'spent', claim.value)
  keep(claim)
end
return {}
