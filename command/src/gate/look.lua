-- A look at the state: all that an operator's command is decided on.

local state = redis.call('HMGET', meta, 'definition', 'paused', 'cancelled', 'windows')
if not (state[1] and state[4]) then
  return { 'forgot' }
end
local names = {}
for index = 1, #state[4] / 24 do
  names[2 * index - 1], names[2 * index] = 'issued:' .. index, 'announced:' .. index
end
local counts = redis.call('HMGET', meta, unpack(names))
close({})
return {
  'ok', decision, logged, now, last_time, version, state[2] == '1' and 1 or 0, state[3] == '1' and 1 or 0, state[1],
  counts,
}
