-- Writes what an operator's command was decided to change, if nothing was decided since the look that it rests on.
--
-- ARGV  8 decision and 9 version as they were looked at, 10 how many entries, then the entries, then changes of meta

if decision ~= tonumber(ARGV[8]) or version ~= tonumber(ARGV[9]) then
  return { 'changed' }
end
local entries, changes = tonumber(ARGV[10]), {}
for place = 1, entries do
  redis.call('XADD', outbox, whole(decision + place), 'e', ARGV[10 + place])
end
decision = decision + entries
for place = 11 + entries, #ARGV do
  changes[#changes + 1] = ARGV[place]
end
close(changes)
return { 'ok', decision, logged }
