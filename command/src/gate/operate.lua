-- Writes what an operator's command was decided to change, if nothing was decided since the look that it rests on.
--
-- ARGV  7 decision and 8 version as they were looked at, 9 how many entries, then the entries, then changes of meta

if decision ~= tonumber(ARGV[7]) or version ~= tonumber(ARGV[8]) then
  return { 'changed' }
end
local entries, changes = tonumber(ARGV[9]), {}
for place = 1, entries do
  redis.call('XADD', outbox, whole(decision + place), 'e', ARGV[9 + place])
end
decision = decision + entries
for place = 10 + entries, #ARGV do
  changes[#changes + 1] = ARGV[place]
end
close(changes)
return { 'ok', decision, logged }
