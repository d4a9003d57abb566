-- Permits of one outside account. One clock for the fleet: this server's TIME, in microseconds.
-- KEYS: bucket (hash: tokens, at, pause, why), leases (sorted set: lease -> expiry).
-- ARGV: verb, rate per second (0 none), burst, concurrency (0 none), lease life, known (1: the caller has seen this account
-- before), then what the verb needs. Answer: {granted, calls, wait, reason}.
local bucket, leases = KEYS[1], KEYS[2]
local verb = ARGV[1]
local rate, burst, room = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local life, known = tonumber(ARGV[5]), ARGV[6] == '1'
local KEPT_MS = 86400000
local EPSILON = 1e-6 -- a wait that ends on the microsecond must not fail for a rounding in the fifteenth digit

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- Lua prints 14 digits by default: too few for microseconds.
local function whole(number) return string.format('%.0f', number) end

local function lend(lease)
  redis.call('ZADD', leases, whole(now + life), lease)
  redis.call('PEXPIRE', leases, KEPT_MS)
end

if verb == 'keep' then
  local missing = 0
  for i = 7, #ARGV do
    -- Never brings back a lease that was released meanwhile: the caller asks again for those it still holds.
    if redis.call('ZSCORE', leases, ARGV[i]) then lend(ARGV[i]) else missing = missing + 1 end
  end
  return {1, missing, 0, ''}
end

if verb == 'sign' then
  for i = 7, #ARGV do lend(ARGV[i]) end
  return {1, 0, 0, ''}
end

local state = redis.call('HMGET', bucket, 'tokens', 'at', 'pause', 'why')
local tokens, at = tonumber(state[1] or nil), tonumber(state[2] or nil)
local pause, why = tonumber(state[3] or nil) or 0, state[4] or ''

local function settle(hold, reason)
  tokens = math.min(tokens, 0)
  if now + hold > pause then pause, why = now + hold, reason end
end

if tokens == nil then
  tokens, at = burst, now
  if verb == 'rejoin' then
    at = 0
  elseif known then
    -- Emptied under a running fleet: its holders sign in again every quarter of a lease's life.
    settle(life / 2, 'the shared state was emptied, leases sign in again')
  end
end

local before = at
if rate > 0 then tokens = math.min(burst, tokens + math.max(0, now - at) * rate / 1000000) end
at = now

local function answer(granted, calls, wait, reason)
  redis.call('HSET', bucket, 'tokens', string.format('%.17g', tokens), 'at', whole(at), 'pause', whole(pause), 'why', why)
  redis.call('PEXPIRE', bucket, KEPT_MS)
  return {granted, calls, math.ceil(wait), reason}
end

-- A lease that outlives every life was written by a clock that ran ahead (a failover).
local function drop_expired()
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', whole(now))
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', leases, '(' .. whole(now + life), '+inf')) do lend(lease) end
end

local function take(lease, calls)
  calls = math.min(calls, burst)
  local missing = 0
  if rate > 0 and calls - tokens > EPSILON then missing = (calls - tokens) / rate * 1000000 end
  if pause > now then return answer(0, 0, math.max(missing, pause - now), 'paused: ' .. why) end
  drop_expired()
  local held = redis.call('ZSCORE', leases, lease)
  if room > 0 and not held and redis.call('ZCARD', leases) >= room then return answer(0, 0, missing, 'concurrency') end
  if missing > 0 then
    if held then lend(lease) end
    return answer(0, 0, missing, 'rate')
  end
  if rate > 0 then tokens = tokens - calls end
  lend(lease)
  return answer(1, calls, 0, '')
end

if verb == 'take' then return take(ARGV[7], tonumber(ARGV[8])) end

if verb == 'give' then
  -- Unspent calls come back with the lease only, so a second release gives nothing.
  if redis.call('ZREM', leases, ARGV[7]) == 1 then tokens = math.min(burst, tokens + tonumber(ARGV[8])) end
  return answer(1, 0, 0, '')
end

if verb == 'pause' then
  local till = now + tonumber(ARGV[7])
  if till > pause then pause, why = till, ARGV[8] end
  return answer(1, 0, 0, '')
end

if verb == 'rejoin' then
  for i = 9, #ARGV do lend(ARGV[i]) end
  -- Gone, or untouched for the whole outage: everybody was cut off, and spent what this bucket did not see.
  if now - before >= tonumber(ARGV[7]) then
    settle(tonumber(ARGV[8]), 'settling after an outage of the shared state')
  end
  return answer(1, 0, 0, '')
end

return redis.error_reply('unknown verb')
