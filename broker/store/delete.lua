-- Drops a channel's ring; its record stays, so ids and cursors go on.
--
-- KEYS: the channel's ring and its record.
--
-- Answers 1, or 0 when nothing is known of the channel.

local kept = call('GET', KEYS[2])
if not kept then return 0 end
local id, last = parse_record(kept)
call('UNLINK', KEYS[1])
call('SET', KEYS[2], format('%d %s -1', id, last), 'KEEPTTL')
return 1
