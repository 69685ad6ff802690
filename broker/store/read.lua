-- Reads what is kept of channels after cursors.
--
-- KEYS: the clock; per lookup the channel's ring and its record.
-- ARGV: floor time, floor tag, channel_ttl_s, messages of a lookup at most, bytes of all together
--       at most, one message excepted; per lookup its cursor.
--
-- Answers the horizon of channels that nothing is known of, then per lookup the record's last
-- cursor or nil, a space and the cursor up to which it was deleted after it if it ever was, and nil
-- or what is kept: {first id, first prev, cursors joined by spaces, bodies, events as
-- {place, id, type} in one list, 1 if the bytes did not suffice for all of it else 0}. Ids and prevs
-- of the others follow from these. A lookup for which nothing was left of the bytes has 0 there.

write = insist
local time, _, born = open_clock(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))

local answer = {horizon(time, born, tonumber(ARGV[3]))}

-- Rings are read in steps that grow, so that long messages are not read in vain.
local FIRST_STEP, LONGEST_STEP, MESSAGE_BYTES = 4, 1024, 100
local limit, room = tonumber(ARGV[4]), tonumber(ARGV[5])

-- Returns the entries from a cursor on, and whether there may be more for which there is no room.
local function take(ring, from)
  local entries, step = {}, FIRST_STEP
  while true do
    local wanted = math.min(step, limit - #entries)
    local found = call('XRANGE', ring, from, '+', 'COUNT', wanted)
    for place = 1, #found do
      if room <= 0 then return entries, true end
      local entry = found[place]
      entries[#entries + 1] = entry
      room = room - #entry[2][6] - MESSAGE_BYTES
    end
    if #found < wanted or #entries == limit then return entries, false end
    from = '(' .. found[#found][1]
    step = math.min(4 * step, LONGEST_STEP)
  end
end

local function pack(entries, is_cut)
  local cursors, bodies, events = {}, {}, {}
  for place = 1, #entries do
    local entry = entries[place]
    local fields = entry[2]
    cursors[place] = entry[1]
    bodies[place] = fields[6]
    if fields[8] then
      events[#events + 1] = place - 1
      events[#events + 1] = fields[8]
      events[#events + 1] = fields[10]
    end
  end
  local first = entries[1][2]
  return {first[2], first[4], table.concat(cursors, ' '), bodies, events, is_cut and 1 or 0}
end

for number = 1, #ARGV - 5 do
  local after, last, rest = ARGV[number + 5], false, false
  local kept = call('GET', KEYS[2 * number + 1])
  if kept then
    local _, head, age_s, head_time, head_tag, deleted = parse_record(kept)
    local after_time, after_tag = parse_cursor(after)
    last = head .. deleted
    if age_s >= 0 and is_after(head_time, head_tag, after_time, after_tag) then
      local from = '(' .. after
      if after_time < time - age_s then
        from = format('%d', time - age_s)
      end
      if room <= 0 then
        rest = 0
      else
        local entries, is_cut = take(KEYS[2 * number], from)
        rest = #entries > 0 and pack(entries, is_cut)
      end
    end
  end
  answer[2 * number] = last
  answer[2 * number + 1] = rest
end
return answer
