-- Reads what is kept of channels after cursors.
--
-- KEYS: the clock; per lookup the channel's ring and its record.
-- ARGV: floor time, floor tag, channel_ttl_s, messages at most; per lookup its cursor.
--
-- Answers the horizon of channels that nothing is known of, then per lookup the record's last
-- cursor or nil, a space and the cursor up to which it was deleted after it if it ever was, and nil
-- or what is kept: {first id, first prev, cursors joined by spaces, bodies, events as
-- {place, id, type} in one list}. Ids and prevs of the others follow from these.

local time, _, born = open_clock(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))

local answer = {horizon(time, born, tonumber(ARGV[3]))}

local function pack(entries)
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
  return {first[2], first[4], table.concat(cursors, ' '), bodies, events}
end

for number = 1, #ARGV - 4 do
  local after, last, entries = ARGV[number + 4], false, {}
  local kept = call('GET', KEYS[2 * number + 1])
  if kept then
    local age_s, deleted
    _, last, age_s, _, _, deleted = parse_record(kept)
    last = last .. deleted
    if age_s >= 0 then
      local from = '(' .. after
      if parse_cursor(after) < time - age_s then
        from = format('%d', time - age_s)
      end
      entries = call('XRANGE', KEYS[2 * number], from, '+', 'COUNT', ARGV[4])
    end
  end
  answer[2 * number] = last
  answer[2 * number + 1] = #entries > 0 and pack(entries)
end
return answer
