-- The last key says whether the reservation is settled already. The third value is the lease's end.
if redis.call('EXISTS', KEYS[#KEYS]) == 0 then
  for _, claim in ipairs(claims) do
    hold(claim, ARGV[3])
    keep(claim)
  end
end
return {}
