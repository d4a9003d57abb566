-- Decides who may call one outside account, as account.py, atomic. One clock for the fleet: this server's TIME.
-- KEYS: state (JSON), samples (list of JSON, one a second).
-- ARGV: verb, terms (JSON), lease life, what the caller knows (JSON marks, '' if it never saw this account), news (JSON or ''),
-- then what the verb needs. Answer: {granted, calls, wait in microseconds, reason, operation, probe, marks}.
-- The script is meters.lua, learning.lua, account.lua, lessons.lua and permits.lua, one after the other.
local state_key, samples_key = KEYS[1], KEYS[2]
local verb, terms, life, known = ARGV[1], cjson.decode(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local KEPT_MS, SAMPLES, QUEUE_S, FULL_WAIT_S = 172800000, 3600, 0.5, 0.005
local FIRST_PER_S, WORKED_LEAST, UNKNOWN_PER_S, COOLDOWN_S, RETRY_AFTER_MOST_S = 5.0, 0.9, 40.0, 0.25, 3600.0
local REFUSED = 'the target refused'
local learn, breaker, points = terms.learn, terms.breaker, terms.points

-- JSON keeps 14 digits: seconds since 2026 in steps of ten microseconds fit for thirty years.
local EPOCH = 1767225600
local time = redis.call('TIME')
local now = math.floor((tonumber(time[1]) - EPOCH) * 100000 + tonumber(time[2]) / 10) / 100000
for _, budget in ipairs(terms.budgets) do
  for i = 2, #budget do budget[i] = budget[i] - EPOCH end
end

local text = redis.call('GET', state_key)
local s, fresh
if text then
  s = cjson.decode(text)
else
  fresh = true
  s = {m = {t = terms.burst, at = now, p = {}}, ms = {}, d = {}, pu = -1e9, pw = '', l = {}, w = {}, sc = 1, lw = -1e9, sk = 0,
    q = {}, pc = {b = now, at = now, r = 0, la = 0}, f = {}, s2 = {0, 0, 0, 0}}
  if learn and learn[3] > 0 then s.r = working(learn[3], now) end
  if learn and learn[4] > 0 then s.ro = working(learn[4], now) end
end

local function lease_count()
  local count = 0
  for _ in pairs(s.l) do count = count + 1 end
  return count
end

local function held_up()
  local count = 0
  for _, lease in pairs(s.l) do count = count + (lease.n or 0) end
  return count
end

local function working_rate()
  local rate = terms.rate > 0 and terms.rate or math.huge
  return s.r and math.min(rate, s.r.l) or rate
end

local function rate_now()
  local rate = working_rate()
  return rate == math.huge and 0 or rate * s.sc
end

local function room_now()
  local level = terms.room > 0 and terms.room or math.huge
  if s.ro then level = math.min(level, s.ro.l) end
  return level == math.huge and 0 or math.max(1, math.floor(level * s.sc + 1e-9))
end

local function burst_now()
  local burst = terms.burst
  if terms.rate == 0 then burst = math.max(burst, rate_now() / 10) end
  return s.r and math.min(burst, 1 + s.r.l * LEAVES_S) or burst
end

local function most_tokens(calls)
  local burst, ahead = burst_now(), 0
  for _, lease in pairs(s.l) do ahead = ahead + lease.a end
  return math.max(1, calls, math.max(burst / 2, burst - ahead) - held_up())
end

local function meter_of(operation, inner)
  if not s.ms[operation] then s.ms[operation] = {t = inner.burst, at = now, p = {}} end
  return s.ms[operation]
end

local function purse()
  if not s.pl then s.pl, s.pa = points[1], now end
  s.pl, s.pa = math.min(points[1], s.pl + math.max(0, now - s.pa) * points[2]), now
end

local made = false

local function fuses(operation)
  local found = {}
  if not breaker then return found end
  for _, name in ipairs(operation ~= '' and {'', operation} or {''}) do
    if not s.f[name] then s.f[name], made = {b = now, run = 0, c = 0, bad = 0, o = 0, os = 0, pr = ''}, true end
    found[#found + 1] = {name, s.f[name]}
  end
  return found
end

local function pause_for(wait, why)
  if now + wait > s.pu then s.pu, s.pw = now + wait, why end
end

local function forget_place(lease)
  for i = #s.w, 1, -1 do
    if s.w[i].l == lease then table.remove(s.w, i) end
  end
end

-- n: 1 while none of the calls granted last has left.
local function lend(lease, ahead, operation, unsent) s.l[lease] = {u = now + life, a = ahead, o = operation, n = unsent} end

local function sent(lease)
  local held = s.l[lease]
  if not held then return end
  if held.n ~= 1 then held.a = math.max(0, held.a - 1) end
  held.n = 0
end

-- What is asked.

local function own_wait(inner, operation, calls)
  local meter = meter_of(operation, inner)
  local told = (meter.told or 0) > 0 and meter.told or math.huge
  local rate = math.min(inner.rate, told) * s.sc
  refill(meter, now, rate, inner.burst)
  local by_rate, by_window = rate_wait(meter, calls, rate), window_wait(meter, inner.windows, now, calls)
  if by_rate >= by_window then return by_rate, 'rate' end
  return by_window, 'window'
end

local function work_meter()
  if not s.wk then s.wk = {t = 0, at = now, p = {}} end
  return s.wk
end

local function work_wait(calls)
  local expected = math.ceil((lease_count() + calls) * s.pc.la * 1000)
  for _, window in ipairs(terms.work) do expected = math.min(expected, window[1]) end
  return window_wait(work_meter(), terms.work, now, math.max(1, expected))
end

local function worked(seconds)
  if #terms.work > 0 then spend_on(work_meter(), terms.work, now, math.ceil(seconds * 1000), 0) end
end

local function short(lease, operation, calls, extends)
  local rate, needed = rate_now(), calls
  refill(s.m, now, rate, most_tokens(calls))
  for _, waiter in ipairs(s.w) do
    if extends and waiter.l == lease then break end
    needed = needed + waiter.c
  end
  local wait, reason = rate_wait(s.m, needed, rate), 'rate'
  if wait > 0 and s.r then s.r.wa = now end
  local function longer(other, name)
    if other > wait then wait, reason = other, name end
  end
  longer(window_wait(s.m, terms.windows, now, calls), 'window')
  if #terms.work > 0 then longer(work_wait(calls), 'execution') end
  for i, budget in ipairs(terms.budgets) do longer(day_wait(s.d[i], budget, now, calls), 'budget') end
  if points then
    purse()
    local missing = calls * points[3] - s.pl
    longer(missing > EPSILON and missing / points[2] or 0, 'points')
  end
  local inner, own, own_reason = terms.ops[operation], 0, 'rate'
  if inner then own, own_reason = own_wait(inner, operation, calls) end
  if wait > 0 then return math.max(wait, own), reason, '' end
  return own, own_reason, operation
end

local function blown(lease, operation)
  for _, named in ipairs(fuses(operation)) do
    local wait = fuse_wait(named[2], now, lease, s.l)
    if wait > 0 then return wait, named[1] end
  end
end

local function full(lease, operation)
  if s.l[lease] then return nil end
  local room = room_now()
  if room > 0 and lease_count() >= room then
    if s.ro then s.ro.wa = now end
    return ''
  end
  local inner = terms.ops[operation]
  if inner and inner.room > 0 then
    local count = 0
    for _, held in pairs(s.l) do
      if held.o == operation then count = count + 1 end
    end
    if count >= math.max(1, math.floor(inner.room * s.sc + 1e-9)) then return operation end
  end
end

local function most_calls(calls, operation)
  for _, window in ipairs(terms.windows) do calls = math.min(calls, window[1]) end
  for _, budget in ipairs(terms.budgets) do calls = math.min(calls, budget[1]) end
  if rate_now() > 0 then calls = math.min(calls, math.max(1, math.floor(burst_now()))) end
  if points then calls = math.min(calls, math.floor(points[1] / points[3])) end
  local inner = terms.ops[operation]
  if inner then
    for _, window in ipairs(inner.windows) do calls = math.min(calls, window[1]) end
    if inner.rate > 0 then calls = math.min(calls, inner.burst) end
  end
  return calls
end

local function charge(operation, calls)
  spend_on(s.m, terms.windows, now, calls, rate_now())
  if s.r then s.r.g = (s.r.g or 0) + calls end
  for _, day in ipairs(s.d) do day.n = day.n + calls end
  if points then
    purse()
    s.pl = s.pl - calls * points[3]
  end
  local inner = terms.ops[operation]
  if inner then spend_on(meter_of(operation, inner), inner.windows, now, calls, inner.rate) end
  s.s2[2] = s.s2[2] + calls
end

local function queue(lease, calls, wait)
  for _, waiter in ipairs(s.w) do
    if waiter.l == lease then
      waiter.c, waiter.u = calls, now + wait + QUEUE_S
      return
    end
  end
  s.w[#s.w + 1] = {l = lease, c = calls, u = now + wait + QUEUE_S}
end

local function take(lease, calls, operation, scale, extends)
  if scale > 0 then s.sc = scale end
  calls = most_calls(calls, operation)
  local wait, reason, only = short(lease, operation, calls, extends)
  if s.pu > now then return {0, 0, math.max(wait, s.pu - now), 'paused: ' .. s.pw, '', 0} end
  local fuse_s, fuse = blown(lease, operation)
  if fuse_s then return {0, 0, fuse_s, 'breaker', fuse, 0} end
  local crowded = full(lease, operation)
  if crowded then return {0, 0, math.max(wait, FULL_WAIT_S), 'concurrency', crowded, 0} end
  if wait > 0 then
    if s.l[lease] then
      s.l[lease].u = now + life
      queue(lease, calls, wait)
    end
    return {0, 0, wait, reason, only, 0}
  end
  charge(operation, calls)
  forget_place(lease)
  lend(lease, calls - 1, operation, 1)
  local probe = 0
  for _, named in ipairs(fuses(operation)) do
    if named[2].o > 0 then named[2].pr, probe = lease, 1 end
  end
  return {1, calls, 0, '', operation, probe}
end

local function give(lease, unspent)
  forget_place(lease)
  local held = s.l[lease]
  if not held then return end
  if held_up() > 0 then
    -- What was gained while so much was held up is bounded by that, not by what is held up afterwards.
    local at_once = 0
    for _, other in pairs(s.l) do at_once = math.max(at_once, other.a + 1) end
    refill(s.m, now, rate_now(), most_tokens(at_once))
  end
  s.l[lease] = nil
  for _, named in ipairs(fuses(held.o)) do
    if named[2].pr == lease then named[2].pr = '' end
  end
  if unspent < 1 then return end
  give_back_to(s.m, terms.windows, now, unspent, most_tokens(0))
  if s.r then s.r.g = (s.r.g or 0) - unspent end
  for _, day in ipairs(s.d) do day.n = math.max(0, day.n - unspent) end
  if points then s.pl = (s.pl or points[1]) + unspent * points[3] end
  local inner = terms.ops[held.o]
  if inner then give_back_to(meter_of(held.o, inner), inner.windows, now, unspent, inner.burst) end
end
