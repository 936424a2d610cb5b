-- Decides a batch of people in the order they came, like `Book::decide`, which is the model: generated histories must
-- agree with it step by step. Reads and validates everything first and writes last, the outbox entry before the holders
-- (ARCHITECTURE G6).
--
-- ARGV  8 how many ask (n), 9 '1' if keys are given, then n times who (digest), n times who (name), n times the key
--
-- A holder's value is what this person holds, oldest first. Where keys are not kept it is one record of 13 bytes: sequence
-- number (5), time (6), window (2). Else each record is: key, which of this person's it is (2), sequence number (5),
-- time (6), window (2), length of the key (1); so it can be read from its end, where the newest is.

local pack, unpacked = struct.pack, struct.unpack
local PLAIN, KEYED, SLICE = 13, 16, 1000

local n, with_keys = tonumber(ARGV[8]), ARGV[9] == '1'
local WHO, NAME, KEY = 9, 9 + n, 9 + 2 * n

local terms = redis.call('HMGET', meta, 'paused', 'cancelled', 'limit', 'keeps_keys', 'each_window', 'windows', 'coupon')
if not (terms[3] and terms[6] and terms[7]) then
  return { 'forgot' }
end
local limit, keeps_keys, each_window = tonumber(terms[3]), terms[4] == '1', terms[5] == '1'
local windows, count_windows = terms[6], #terms[6] / 24

-- Which window is open, and which is next: three numbers each, opens_at, closes_at, id; in order and disjoint.
local function window(index)
  return unpacked('>ddd', windows, index * 24 - 23)
end

local open, next_one
do
  local low, high = 1, count_windows + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local _, closes = window(middle)
    if now < closes then high = middle else low = middle + 1 end
  end
  if low <= count_windows then
    if window(low) <= now then
      open = low
      if low < count_windows then next_one = low + 1 end
    else
      next_one = low
    end
  end
end

-- Why whoever is not a holder gets nothing; in an open window only when its room is used up.
local refusal, detail, room, stock, issued, announced, window_id = '', 0, 0, 0, 0, 0, 0
local is_open = false
if terms[2] == '1' then
  refusal = 'cancelled'
elseif not open and not next_one then
  refusal = 'ended'
elseif not open then
  refusal, detail = 'not_open', window(next_one)
elseif terms[1] == '1' then
  refusal = 'paused'
else
  local counts = redis.call('HMGET', meta, 'stock:' .. open, 'issued:' .. open, 'announced:' .. open)
  stock, issued, announced = tonumber(counts[1]), tonumber(counts[2]), tonumber(counts[3])
  if not (stock and issued and announced) then
    return { 'forgot' }
  end
  is_open, room, refusal, detail = true, stock - issued, 'sold_out', stock
end
if open then
  local _, _, id = window(open)
  window_id = id
end

local found = {}
for from = 1, n, SLICE do
  local slice = redis.call('HMGET', holders, unpack(ARGV, WHO + from, WHO + math.min(from + SLICE - 1, n)))
  if from == 1 then
    found = slice
  else
    for i = 1, #slice do found[from + i - 1] = slice[i] end
  end
end

local fresh, changed = {}, {} -- what new holders, and holders of one more, hold now; and who they are
local names, entry = {}, {} -- the line's new end, and what the outbox entry says of it
local listed, nth = {}, {}
local count = 0

if not keeps_keys then
  for i = 1, n do
    local who = ARGV[WHO + i]
    local held = fresh[who] or found[i]
    if held then
      listed[#listed + 1] = i
      listed[#listed + 1] = held
    elseif count < room then
      count = count + 1
      fresh[who] = pack('>I5I6I2', coupons + count, now, window_id)
      changed[count] = who
      names[count] = ARGV[NAME + i]
    end
  end
  entry = names
  people = people + count
else
  local byte, sub = string.byte, string.sub
  local tail = pack('>I6I2', now, window_id)

  -- Where the record that ends at `last` begins, and its window.
  local function record(value, last)
    return last - KEYED - byte(value, last) + 1, byte(value, last - 2) * 256 + byte(value, last - 1)
  end

  -- The record that this key got, if any.
  local function by_key(value, key)
    -- A quick look first: most keys are new, and some people hold hundreds of records.
    if not string.find(value, key, 1, true) then return nil end
    local last = #value
    while last > 0 do
      local first = record(value, last)
      if byte(value, last) == #key and sub(value, first, first + #key - 1) == key then
        return sub(value, first, last)
      end
      last = first - 1
    end
  end

  local function newest(value)
    if value == '' then return nil end
    local first, of_window = record(value, #value)
    return sub(value, first), of_window
  end

  -- The coupon that this ask got before, when it is a repetition.
  local function repeated(value, key)
    if value == '' then return nil end
    if key ~= '' then
      local held = by_key(value, key)
      if held or limit > 1 then return held end
    elseif limit > 1 then
      return (newest(value))
    end
    local held, of_window = newest(value)
    if each_window and open and of_window ~= window_id then return nil end
    return held
  end

  -- How many records count towards the limit, and where they begin. Windows follow each other, so those of the open one
  -- stand at the end.
  local function counted(value)
    local many, last = 0, #value
    while last > 0 do
      local first, of_window = record(value, last)
      if each_window and of_window ~= window_id then break end
      many, last = many + 1, first - 1
    end
    return many, last + 1
  end

  for i = 1, n do
    local who, key = ARGV[WHO + i], with_keys and ARGV[KEY + i] or ''
    local before = fresh[who] or found[i]
    local value = before or ''
    local again = repeated(value, key)
    if again then
      listed[#listed + 1] = i
      listed[#listed + 1] = again
    elseif is_open then
      local many, first = counted(value)
      if many >= limit then
        listed[#listed + 1] = -i
        listed[#listed + 1] = sub(value, first)
      elseif count < room then
        count = count + 1
        if not before then people = people + 1 end
        if not fresh[who] then changed[#changed + 1] = who end
        local held = 1
        if before then held = unpacked('>I2', value, #value - KEYED + 1) + 1 end
        nth[count] = held
        fresh[who] = value .. key .. pack('>I2I5', held, coupons + count) .. tail .. string.char(#key)
        names[count] = ARGV[NAME + i]
        entry[3 * count - 2], entry[3 * count - 1], entry[3 * count] = names[count], key, whole(held)
      end
    end
  end
end

local percent = 0
local changes = {}
if count > 0 then
  local at, id, sold = whole(now), whole(window_id), issued + count
  local head = keeps_keys and 'keyed' or 'plain'
  decision = decision + 1
  local text = table.concat({ head, at, id, whole(coupons + 1), table.concat(entry, '\0') }, '\0')
  redis.call('XADD', outbox, whole(decision), 'e', text)
  for _, step in ipairs({ 50, 80, 100 }) do
    if sold * 100 >= stock * step then percent = step end
  end
  if percent > announced then
    decision = decision + 1
    redis.call('XADD', outbox, whole(decision), 'e', table.concat({ 'threshold', at, id, whole(percent) }, '\0'))
    announced = percent
  else
    percent = 0
  end
  for from = 1, #changed, SLICE do
    local fields = {}
    for i = from, math.min(from + SLICE - 1, #changed) do
      fields[#fields + 1] = changed[i]
      fields[#fields + 1] = fresh[changed[i]]
    end
    redis.call('HSET', holders, unpack(fields))
  end
  for from = 1, count, SLICE do
    redis.call('RPUSH', line, unpack(names, from, math.min(from + SLICE - 1, count)))
  end
  changes = {
    'decision', whole(decision), 'time', at, 'coupons', whole(coupons + count), 'people', whole(people),
    'issued:' .. open, whole(sold), 'announced:' .. open, whole(announced),
  }
end
close(changes)
return {
  'ok', decision, logged, now, window_id, stock, issued, coupons, count, percent, refusal, detail, terms[7], listed, nth,
}
