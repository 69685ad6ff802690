-- Moves a tenant's clock to now and announces it to one node, in order with the messages.
--
-- KEYS: the clock.
-- ARGV: floor time, floor tag, the node's tick channel, the number of this tick.

write = insist
local time, tag, _, moved = open_clock(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))
if moved then write_clock(KEYS[1], time, tag) end
return call('PUBLISH', ARGV[3], format('%s %d %d', ARGV[4], time, tag))
