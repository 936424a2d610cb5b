-- What these people hold.
--
-- ARGV  from 8 on: digests

local values = {}
for from = 8, #ARGV, 1000 do
  for _, value in ipairs(redis.call('HMGET', holders, unpack(ARGV, from, math.min(from + 999, #ARGV)))) do
    values[#values + 1] = value or ''
  end
end
close({})
return { 'ok', decision, logged, values }
