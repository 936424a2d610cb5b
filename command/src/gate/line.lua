-- Who stands at these places in line.
--
-- ARGV  7 from, 8 to: sequence numbers, 1 or more

local from, to, names = tonumber(ARGV[7]), tonumber(ARGV[8]), {}
if from <= to then
  names = redis.call('LRANGE', line, whole(from - 1), whole(to - 1))
end
close({})
return { 'ok', decision, logged, names }
