-- Keeps revocations of one tenant and announces them.
--
-- KEYS: the tenants that have revocations, and the revocations of this tenant: sorted sets by the
--       second in which they end.
-- ARGV: the tenant, how many a tenant may have, the announcement channel, '1' to keep only what is
--       missing and has not ended; then per revocation its text and its end.
--
-- Answers how many were kept; beyond the limit none is.

local tenants, own = KEYS[1], KEYS[2]
local tenant, limit, channel, only_missing = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4] == '1'
local now = tonumber(call('TIME')[1])

call('ZREMRANGEBYSCORE', tenants, '-inf', now)
call('ZREMRANGEBYSCORE', own, '-inf', now)

local count, kept = call('ZCARD', own), 0

for at = 5, #ARGV, 2 do
  local revocation, ends = ARGV[at], ARGV[at + 1]
  local is_known = call('ZSCORE', own, revocation)
  local is_wanted = not only_missing or (not is_known and tonumber(ends) > now)
  if is_wanted and (is_known or count < limit) then
    call('ZADD', own, ends, revocation)
    call('PUBLISH', channel, ends .. ' ' .. tenant .. ' ' .. revocation)
    kept = kept + 1
    count = is_known and count or count + 1
  end
end

-- Has a set expire with the last of its members; returns when that is.
local function expire_last(key)
  local last = format('%d', tonumber(call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]))
  call('EXPIREAT', key, last)
  return last
end

if kept > 0 then
  call('ZADD', tenants, expire_last(own), tenant)
  expire_last(tenants)
end
return kept
