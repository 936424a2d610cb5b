-- Puts a campaign that was folded from the log in the place of what is there: whole, in one step, once (ARCHITECTURE G5).
--
-- KEYS  meta, holders, line, outbox, staged holders, staged line
-- ARGV  1 epoch, 2 the incarnation that the fence names, 3 the log, 4 people, 5 coupons, from 6 on: meta

local own = incarnation()
if own ~= ARGV[2] then
  return 'forgot'
end
-- Of whatever incarnation that is: a fence's epoch is above all of this log that were ever loaded. Those of another log,
-- or of one that is not named, say nothing.
local there = redis.call('HMGET', KEYS[1], 'epoch', 'log')
if there[1] and there[2] == ARGV[3] and tonumber(there[1]) >= tonumber(ARGV[1]) then
  return 'forgot'
end
-- Not all of it arrived, or it arrived twice, or too late.
if redis.call('HLEN', KEYS[5]) ~= tonumber(ARGV[4]) or redis.call('LLEN', KEYS[6]) ~= tonumber(ARGV[5]) then
  return 'incomplete'
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
if tonumber(ARGV[5]) > 0 then
  redis.call('RENAME', KEYS[5], KEYS[2])
  redis.call('RENAME', KEYS[6], KEYS[3])
  redis.call('PERSIST', KEYS[2])
  redis.call('PERSIST', KEYS[3])
end
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
return 'ok'
