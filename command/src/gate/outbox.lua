-- Entries of the outbox in order: a gapless beginning of what stands after a place. Reads whole entries until they are
-- heavier than asked for; the caller cuts. Nothing is taken out.
--
-- ARGV  8 after which decision, 9 how many bytes

local entries, bytes, page, after = {}, 0, 4, ARGV[8]
if known > tonumber(after) then after = ARGV[2] end
repeat
  local read = redis.call('XRANGE', outbox, '(' .. after, '+', 'COUNT', page)
  for _, one in ipairs(read) do
    after = one[1]
    entries[#entries + 1] = string.match(after, '^%d+')
    entries[#entries + 1] = one[2][2]
    bytes = bytes + #one[2][2]
  end
  local more = #read == page
  page = page * 2
until not more or bytes > tonumber(ARGV[9])
local coupon = redis.call('HGET', meta, 'coupon')
close({})
return { 'ok', decision, logged, coupon or '', entries }
