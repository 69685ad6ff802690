-- Keeps a revocation and announces it.
--
-- KEYS: the tenants that have revocations, and the revocations of this tenant: sorted sets by the
--       second in which they end.
-- ARGV: the tenant, the revocation as text, its end, how many a tenant may have, the announcement
--       channel.
--
-- Answers 1, or 0 when the tenant has as many as it may.

local tenants, own = KEYS[1], KEYS[2]
local tenant, revocation, ends = ARGV[1], ARGV[2], ARGV[3]
local now = call('TIME')[1]

call('ZREMRANGEBYSCORE', tenants, '-inf', now)
call('ZREMRANGEBYSCORE', own, '-inf', now)
if not call('ZSCORE', own, revocation) and call('ZCARD', own) >= tonumber(ARGV[4]) then
  return 0
end

-- Adds to a set and has the set expire with the last of its members; returns when that is.
local function add(key, score, member)
  call('ZADD', key, score, member)
  local last = format('%d', tonumber(call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]))
  call('EXPIREAT', key, last)
  return last
end

add(tenants, add(own, ends, revocation), tenant)
call('PUBLISH', ARGV[5], ends .. ' ' .. tenant .. ' ' .. revocation)
return 1
