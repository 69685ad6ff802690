-- Drops a channel's ring and announces that; its record stays, so ids and cursors go on.
--
-- KEYS: the channel's ring and its record.
-- ARGV: the channel's announcement channel.
--
-- Answers the last cursor, up to which everything is gone; nil when nothing is known of the channel.

local kept = call('GET', KEYS[2])
if not kept then return false end
local id, last, _, time, tag = parse_record(kept)
call('UNLINK', KEYS[1])
call('SET', KEYS[2], format('%d %s -1 %s', id, last, last), 'KEEPTTL')
-- Read by codec.py: a head that announces no message.
call('PUBLISH', ARGV[1], struct.pack('<I8I8I8I8I8I4B', id, time, tag, time, tag, 0, 0))
return last
