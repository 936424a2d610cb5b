-- One unguarded read: which memory this server is, and what it holds of a campaign (ARCHITECTURE A3).
--
-- KEYS  meta
-- ARGV  1 a test's time or ''

local own = incarnation()
local noted = redis.call('HMGET', KEYS[1], 'epoch', 'incarnation', 'version', 'time', 'nonce', 'log', 'logged')
if not noted[1] then
  return { own }
end
local now = gate_time(ARGV[1], tonumber(noted[4]) or 0)
return { own, noted[1], noted[2] or '', noted[3] or '0', now, noted[5] or '', noted[6] or '', noted[7] or '0' }
