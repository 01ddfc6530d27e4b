local claim = claims[1]
endLeases(claim)
return {spent(claim), get(claim, 'reserved')}
