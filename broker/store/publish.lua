-- Stamps, appends, trims, records and announces all publications of a call, in one step.
--
-- KEYS: the clock; per channel its ring and its record; the idempotency keys; the receipt.
-- ARGV: the plan as JSON, then the messages: one value each (the body), or in wide parts three
--       (body, event id, event type).
-- Plan: announcement prefix; channel_ttl_s, idempotency_ttl_s and receipt_ttl_s; floor time and
--       tag; channels as {name, messages kept, age kept in seconds}, steps; whether replicas are
--       waited for.
-- Step: a part is {channel number, count of messages, 0 or 1 for wide}, and messages and age kept of
--       the channel from there on where these are others than the plan says;
--       a condition is {0, count of parts it covers, number of its idempotency key or 0,
--       fingerprint, wanted cursor}.
--
-- A server that takes no messages (full, a replica, short of replicas) refuses the first write of a
-- script that may need memory; after any write that it lets pass, it lets all of them. An
-- announcement is no write to it and always passes. So nothing that needs no memory is written
-- first, and announcements come last: everything is stored and announced, or nothing is.
--
-- The receipt holds the answer for as long as the call may be sent again after a cut: that stores
-- every message once, those without an idempotency key too.
--
-- Answers the time of all stamps, then per part its first id and first tag, and per condition a
-- text: 'stored' (its parts follow), 'repeated …' with the first answer, 'mismatch' or
-- 'precondition' (its parts are left out).

local plan = cjson.decode(ARGV[1])
local prefix, channel_ttl_s, once_ttl_s, receipt_ttl_s = plan[1], plan[2], plan[3], plan[4]
-- Replicas are waited for up to the last write of a connection, so every answer needs one.
local must_write = plan[9]

local receipt = KEYS[#KEYS]
local earlier = call('GET', receipt)
if earlier then
  if must_write then call('EXPIRE', receipt, receipt_ttl_s) end
  return cmsgpack.unpack(earlier)
end

local channels, steps = plan[7], plan[8]
local time, tag, born = open_clock(KEYS[1], plan[5], plan[6])

local function open_channel(number)
  local spec = channels[number]
  local channel = {
    name = spec[1], spec = spec,
    ring = KEYS[2 * number], record = KEYS[2 * number + 1],
    id = 0, kept_age_s = -1, deleted = '',
  }
  local kept = call('GET', channel.record)
  if kept then
    channel.id, channel.last, channel.kept_age_s, channel.time, channel.tag, channel.deleted =
      parse_record(kept)
    channel.kept_time, channel.has_ring = channel.time, channel.kept_age_s >= 0
    -- Never true unless the clock was lost alone; then no cursor may come back either.
    if is_after(channel.time, channel.tag, time, tag) then
      time, tag = channel.time, channel.tag
    end
  end
  channels[number] = channel
end

for number = 1, #channels do open_channel(number) end

local beginning = horizon(time, born, channel_ttl_s)
local stamp_form = format('%d-', time) .. '%d'
local answer = {format('%d', time)}

-- Messages announced together: consecutive in stamping order, of one channel, of one width.
local runs, run = {}, nil

local function announce(some)
  -- Read by codec.py.
  local head = struct.pack('<I8I8I8I8I8I4B', some.id, time, some.tag, some.prev_time,
    some.prev_tag, (some.to + 1 - some.from) / some.width, some.width == 1 and 0 or 1)
  call('PUBLISH', prefix .. some.name, head .. table.concat(ARGV, '\n', some.from, some.to))
end

local function append(channel, from, to, width, messages, age_s)
  local ring, id, last = channel.ring, channel.id, channel.last
  if id == 0 then
    if call('EXISTS', ring) == 1 then call('UNLINK', ring) end
    last, channel.time, channel.tag = beginning, parse_cursor(beginning)
  end
  if messages > 0 then
    channel.has_ring = true
  elseif channel.has_ring then
    -- What is not kept ends what is: a ring has no holes.
    call('UNLINK', ring)
    channel.has_ring, channel.kept_age_s = false, -1
  end
  channel.messages, channel.age_s = messages, age_s
  answer[#answer + 1] = id + 1
  answer[#answer + 1] = tag + 1
  if run and run.name == channel.name and run.width == width and run.to + 1 == from then
    run.to = to
  else
    run = {
      name = channel.name, id = id + 1, tag = tag + 1,
      prev_time = channel.time, prev_tag = channel.tag, width = width, from = from, to = to,
    }
    runs[#runs + 1] = run
  end
  local cursor
  for at = from, to, width do
    id = id + 1
    tag = tag + 1
    cursor = format(stamp_form, tag)
    if messages > 0 then
      if width == 1 then
        call('XADD', ring, cursor, 'id', id, 'prev', last, 'body', ARGV[at])
      else
        call('XADD', ring, cursor, 'id', id, 'prev', last, 'body', ARGV[at],
          'event', ARGV[at + 1], 'type', ARGV[at + 2])
      end
    end
    last = cursor
  end
  channel.id, channel.last, channel.time, channel.tag, channel.used = id, last, time, tag, true
end

-- What speaks against a publication, or nil.
local function refusal(key, fingerprint, wanted, channel)
  if key > 0 then
    local kept = call('GET', KEYS[1 + 2 * #channels + key])
    if kept then
      local own = fingerprint .. '\n'
      if string.sub(kept, 1, #own) == own then
        return 'repeated ' .. string.sub(kept, #own + 1)
      end
      return 'mismatch'
    end
  end
  if wanted ~= '' and wanted ~= channel.last and (
    channel.id == 0 or wanted ~= match(channel.last, '%d+$')
  ) then
    return 'precondition'
  end
end

local at, number, covered_to, key, fingerprint, stored = 2, 1, 0, 0, '', nil
while number <= #steps do
  local step = steps[number]
  if step[1] == 0 then
    key, fingerprint = step[3], step[4]
    local against = refusal(key, fingerprint, step[5], channels[steps[number + 1][1]])
    answer[#answer + 1] = against or 'stored'
    if against then
      for skipped = number + 1, number + step[2] do
        at = at + steps[skipped][2] * (steps[skipped][3] == 1 and 3 or 1)
      end
      number = number + step[2]
    else
      covered_to, stored = number + step[2], {format('%d', time)}
    end
  else
    local width = step[3] == 1 and 3 or 1
    local past = at + step[2] * width
    local channel = channels[step[1]]
    append(channel, at, past - 1, width, step[4] or channel.spec[2], step[5] or channel.spec[3])
    at = past
    if number <= covered_to and key > 0 then
      stored[#stored + 1] = format('%d %d %d', step[2], answer[#answer - 1], answer[#answer])
      if number == covered_to then
        local text = fingerprint .. '\n' .. table.concat(stored, ' ')
        call('SET', KEYS[1 + 2 * #channels + key], text, 'EX', once_ttl_s)
      end
    end
  end
  number = number + 1
end

local function finish(channel)
  local age_s = channel.age_s
  if channel.messages == 0 then
    age_s = -1
  else
    if channel.id > channel.messages then
      call('XTRIM', channel.ring, 'MAXLEN', channel.messages)
    end
    -- Ages count in whole seconds, so a second call in the same second has nothing to do here.
    if channel.kept_time ~= time or channel.kept_age_s ~= age_s then
      call('XTRIM', channel.ring, 'MINID', format('%d', math.max(0, time - age_s)))
      call('EXPIREAT', channel.ring, format('%d', time + age_s + 1))
    end
  end
  local record = format('%d %s %d%s', channel.id, channel.last, age_s, channel.deleted)
  local until_s = time + math.max(channel_ttl_s, age_s) + 1
  call('SET', channel.record, record, 'EXAT', format('%d', until_s))
end

local wrote = false
for _, channel in ipairs(channels) do
  if channel.used then
    finish(channel)
    wrote = true
  end
end
if wrote or must_write then write_clock(KEYS[1], time, tag) end
if wrote then
  call('SET', receipt, cmsgpack.pack(answer), 'EX', receipt_ttl_s)
end
for _, each in ipairs(runs) do announce(each) end
return answer
