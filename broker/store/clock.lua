-- Prelude of every script: the tenant's clock.
--
-- The clock is a hash: `time` and `tag`, the last cursor given out; `born`, the cursor before which
-- nothing is known; and `life`, the run of the server's process that it was written in. It has no
-- expiry and only ever moves forward.
--
-- The last of ARGV is the life of the server that runs the script; the others are the script's own.
--
-- Cursors are compared as numbers, never as texts: a tag may have any number of digits.
-- '%d' prints whole numbers exactly up to 2^53; '..' would round them to 14 digits.

local call, format, match = redis.call, string.format, string.match
local own_life = table.remove(ARGV)

local function is_after(time, tag, other_time, other_tag)
  return time > other_time or (time == other_time and tag > other_tag)
end

local function parse_cursor(text)
  local time, tag = match(text, '^(%d+)%-(%d+)$')
  return tonumber(time), tonumber(tag)
end

local function read_clock(key)
  local kept = call('HMGET', key, 'time', 'tag', 'born', 'life')
  return tonumber(kept[1]), tonumber(kept[2]), kept[3], kept[4]
end

-- Writes a few bytes without which nobody could read either, on a key that never expires.
--
-- A server whose memory is full refuses what may need some until a script has written something
-- else. One that cannot save takes nothing at all, no messages either: then there is nothing whose
-- order this could disturb, and it goes without.
local function insist(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err and not match(answer.err, 'MISCONF') then
    call('PERSIST', key)
    call(command, key, ...)
  end
end

-- How the clock is written; scripts that only read insist.
local write = call

local function write_clock(key, time, tag)
  write('HSET', key, 'time', format('%d', time), 'tag', format('%d', tag), 'life', own_life)
end

-- Returns time, tag and born, moved on to now and to the floor, and whether that is still to be
-- written. A new clock is written at once.
--
-- A tenant without a clock is new, or the store lost everything. A clock of another life may have
-- lost the last that it gave out: a replica took over, or a server started from an older snapshot.
-- Then tags go on a million and the microsecond further, for this one second: nothing that was lost
-- gave out so many in it, so none of its cursors comes again, even where the floor knows nothing of
-- it.
local function open_clock(key, floor_time, floor_tag)
  local clock = call('TIME')
  local now = tonumber(clock[1])
  local time, tag, born, life = read_clock(key)
  local moved = false
  if not born or now > time then
    time, tag, moved = now, 0, true
  end
  if life ~= own_life then
    tag, moved = tag + 1000000 + tonumber(clock[2]), true
  end
  if is_after(floor_time, floor_tag, time, tag) then
    time, tag, moved = floor_time, floor_tag, true
  end
  if not born then
    born = format('%d-%d', time, tag)
    write('HSET', key, 'born', born)
    write_clock(key, time, tag)
  end
  return time, tag, born, moved
end

-- The cursor before which nothing is known of a channel without a record.
local function horizon(time, born, channel_ttl_s)
  local born_time = parse_cursor(born)
  if time - channel_ttl_s > born_time then
    return format('%d-0', time - channel_ttl_s)
  end
  return born
end

-- A channel's record is one text, '<last id> <last cursor> <age of its ring in seconds>'; the age
-- is -1 where there is no ring. Once its ring was deleted, ' <last cursor of that time>' follows.
-- As a text it is read and written, expiry included, in one command each; as a hash it would take
-- three.
local function parse_record(text)
  local id, last, time, tag, age_s, deleted =
    match(text, '^(%d+) ((%d+)%-(%d+)) (%-?%d+)( ?[%d-]*)$')
  return tonumber(id), last, tonumber(age_s), tonumber(time), tonumber(tag), deleted
end
