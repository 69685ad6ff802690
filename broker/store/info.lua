-- Reads the state of channels.
--
-- KEYS: the clock; per channel its ring and its record.
--
-- Answers per channel nil, or {last id, last cursor, messages kept, cursor of the oldest or nil}.

local time = math.max(read_clock(KEYS[1]) or 0, tonumber(call('TIME')[1]))
local answer = {}

for number = 1, (#KEYS - 1) / 2 do
  local ring, kept = KEYS[2 * number], call('GET', KEYS[2 * number + 1])
  answer[number] = false
  if kept then
    local id, last, age_s = parse_record(kept)
    if age_s >= 0 then
      call('XTRIM', ring, 'MINID', format('%d', math.max(0, time - age_s)))
    end
    local first = call('XRANGE', ring, '-', '+', 'COUNT', 1)[1]
    answer[number] = {id, last, call('XLEN', ring), first and first[1] or false}
  end
end
return answer
