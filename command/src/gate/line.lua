-- Who stands at these places in line.
--
-- ARGV  8 from, 9 to: sequence numbers, 1 or more

local from, to, names = tonumber(ARGV[8]), tonumber(ARGV[9]), {}
if from <= to then
  names = redis.call('LRANGE', line, whole(from - 1), whole(to - 1))
end
close({})
return { 'ok', decision, logged, names }
