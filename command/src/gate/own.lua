-- What every script knows: its numbers as text, the time, and which memory this server is.

-- A whole number as text: Lua itself writes large ones in powers of ten.
local function whole(number)
  return string.format('%.0f', number)
end

-- Gate time: the server's own (a test's, if it gives one), but never before `last` (ARCHITECTURE G8).
local function gate_time(given, last)
  local now = tonumber(given)
  if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  return math.max(now, last)
end

-- This server's incarnation (ARCHITECTURE G2). It takes both names: a run id alone comes back when a failed-over master
-- is failed back to, a replication id alone outlives the failover itself.
local function incarnation()
  local info = redis.call('INFO', 'server', 'replication')
  if not string.find(info, '\nrole:master', 1, true) then
    error({ err = 'READONLY this server is a replica' })
  end
  local function named(name)
    local _, last = string.find(info, name, 1, true)
    return string.sub(info, last + 1, last + 40)
  end
  return named('\nrun_id:') .. named('\nmaster_replid:')
end
