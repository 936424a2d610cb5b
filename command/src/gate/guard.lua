-- Stands before everything that reads or writes a campaign under an epoch: refuses unless this memory is certainly the
-- one that the caller means (ARCHITECTURE G1, G2). Behind it nothing has been written yet.
--
-- KEYS  meta, holders, line, outbox
-- ARGV  1 epoch, 2 last decision that is logged, 3 its message's sequence, 4 the caller's time, 5 a test's time or '',
--       6 how far clocks may be apart, 7 the caller's log; from 8 on what the script behind it takes

local meta, holders, line, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local noted = redis.call(
  'HMGET', meta, 'epoch', 'incarnation', 'decision', 'logged', 'coupons', 'people', 'time', 'version', 'log'
)
-- Another log has epochs of its own, which mean nothing here.
if noted[9] ~= ARGV[7] or noted[1] ~= ARGV[1] or noted[2] ~= incarnation() then
  return { 'forgot' }
end
local decision, logged = tonumber(noted[3]), tonumber(noted[4])
local coupons, people = tonumber(noted[5]), tonumber(noted[6])
local last_time, version = tonumber(noted[7]), tonumber(noted[8])
if not (decision and logged and coupons and people and last_time and version) then
  return { 'forgot' }
end
-- The log cannot hold more than was decided here, nor can anything be missing: else something is lost.
local known = tonumber(ARGV[2])
if known > decision
  or redis.call('HLEN', holders) ~= people
  or redis.call('LLEN', line) ~= coupons
  or redis.call('XLEN', outbox) ~= decision - logged then
  return { 'forgot' }
end
local now = gate_time(ARGV[5], last_time)
local apart = math.abs(now - tonumber(ARGV[4]))
if apart > tonumber(ARGV[6]) then
  return { 'apart', apart }
end

-- Writes `changes` of meta, and trims what is logged (ARCHITECTURE G7). The last thing a script does; trimming comes
-- first because it is allowed also when memory is full.
local function close(changes)
  if known > logged then
    redis.call('XTRIM', outbox, 'MINID', whole(known + 1))
    changes[#changes + 1] = 'logged'
    changes[#changes + 1] = ARGV[2]
    changes[#changes + 1] = 'sequence'
    changes[#changes + 1] = ARGV[3]
    logged = known
  end
  if #changes > 0 then
    redis.call('HSET', meta, unpack(changes))
  end
end
