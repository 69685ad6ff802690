-- Prelude of every script: the tenant's clock.
--
-- The clock is a hash: `time` and `tag`, the last cursor given out, and `born`, the cursor before
-- which nothing is known. It has no expiry and only ever moves forward.
--
-- Cursors are compared as numbers, never as texts: a tag may have any number of digits.
-- '%d' prints whole numbers exactly up to 2^53; '..' would round them to 14 digits.

local call, format, match = redis.call, string.format, string.match

local function is_after(time, tag, other_time, other_tag)
  return time > other_time or (time == other_time and tag > other_tag)
end

local function parse_cursor(text)
  local time, tag = match(text, '^(%d+)%-(%d+)$')
  return tonumber(time), tonumber(tag)
end

local function read_clock(key)
  local kept = call('HMGET', key, 'time', 'tag', 'born')
  return tonumber(kept[1]), tonumber(kept[2]), kept[3]
end

local function write_clock(key, time, tag)
  call('HSET', key, 'time', format('%d', time), 'tag', format('%d', tag))
end

-- Returns time, tag and born, moved on to now and to the floor, and whether that is still to be
-- written. A new clock is written at once.
--
-- A tenant without a clock is new, or the store lost everything. Its tags begin at a million and
-- the microsecond, for this one second: no earlier life, not even one that began in this second,
-- gave out so many, so none of its cursors comes again, even where the floor knows nothing of it.
local function open_clock(key, floor_time, floor_tag)
  local clock = call('TIME')
  local now = tonumber(clock[1])
  local time, tag, born = read_clock(key)
  local moved = false
  if not born then
    time, tag, moved = now, 1000000 + tonumber(clock[2]), true
  elseif now > time then
    time, tag, moved = now, 0, true
  end
  if is_after(floor_time, floor_tag, time, tag) then
    time, tag, moved = floor_time, floor_tag, true
  end
  if not born then
    born = format('%d-%d', time, tag)
    call('HSET', key, 'born', born)
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
-- is -1 where there is no ring. As a text it is read and written, expiry included, in one command
-- each; as a hash it would take three.
local function parse_record(text)
  local id, last, time, tag, age_s = match(text, '^(%d+) ((%d+)%-(%d+)) (%-?%d+)$')
  return tonumber(id), last, tonumber(age_s), tonumber(time), tonumber(tag)
end
