-- Returns what changes whenever revocations may have been lost.
--
-- KEYS: where it is kept.
--
-- Its first word is made anew after the store lost everything. Its second is the life of the
-- server: one that restarted, or took over, may have lost the last that was kept.

local kept = call('GET', KEYS[1])
local born = kept and match(kept, '^%S+')
if not born then
  local clock = call('TIME')
  born = clock[1] .. '.' .. clock[2]
end
local life = born .. ' ' .. own_life
if kept ~= life then insist('SET', KEYS[1], life) end
return life
