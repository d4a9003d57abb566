-- Runs one verb: brings the state to this moment, hears the news, does what is asked, keeps the state.
local rolled, scale_before = false, s.sc

local function tick()
  for lease, held in pairs(s.l) do
    if held.u <= now then
      s.l[lease] = nil
    elseif held.u > now + life then
      held.u = now + life -- written by a clock that ran ahead (a failover)
    end
  end
  for i = #s.w, 1, -1 do
    if s.w[i].u <= now or s.w[i].u > now + 3600 then table.remove(s.w, i) end
  end
  if not learn then s.r, s.ro = nil, nil end
  if s.r then rest(s.r, math.min(s.pu, now)) end
  if s.ro then rest(s.ro, math.min(s.pu, now)) end
  if s.r and s.pu <= now and not grow(s.r, now, terms.rate, RATE_DOUBLES_S, learn[3] > 0) then s.r = nil end
  if s.ro and s.pu <= now and not grow(s.ro, now, terms.room, ROOM_DOUBLES_S, learn[4] > 0) then s.ro = nil end
  for i = #s.d, #terms.budgets + 1, -1 do s.d[i] = nil end
  for i = #s.d + 1, #terms.budgets do s.d[i] = {b = 0, n = 0} end
  -- A look writes nothing: the last second with traffic is shown with its time until the next call puts it away.
  if verb == 'look' or now >= s.s2[1] and now < s.s2[1] + 1 then return end
  if s.s2[1] > 0 and s.s2[2] + s.s2[3] > 0 then
    local sample = {s.s2[1] + EPOCH, rate_now(), s.s2[2], s.s2[3], s.s2[4]}
    redis.call('RPUSH', samples_key, cjson.encode(sample))
    redis.call('LTRIM', samples_key, -SAMPLES, -1)
    redis.call('PEXPIRE', samples_key, KEPT_MS)
  end
  s.s2, rolled = {math.floor(now), 0, 0, 0}, true
end

local function marks()
  if #terms.windows == 0 and #terms.budgets == 0 and #terms.work == 0 then return '{}' end
  fit(s.m, terms.windows)
  local used, days = {}, {}
  for i, window in ipairs(terms.windows) do
    local _, total = numbers_of(s.m.p[i], window[2], now)
    used[i] = total
  end
  if #terms.work > 0 then fit(work_meter(), terms.work) end
  for i, window in ipairs(terms.work) do
    local _, total = numbers_of(s.wk.p[i], window[2], now)
    used[#terms.windows + i] = total
  end
  for i, day in ipairs(s.d) do days[i] = {day.b == 0 and 0 or day.b + EPOCH, day.n} end
  return cjson.encode({windows = used, days = days})
end

-- Gone under a running fleet: what the caller remembers counts as spent just now, and holders sign in before anything is granted.
local function restore(seen, hold, why)
  s.m.t = math.min(s.m.t, 0)
  pause_for(hold, why)
  fit(s.m, terms.windows)
  for i, calls in ipairs(seen.windows or {}) do
    if terms.windows[i] and calls > 0 then count_in(s.m, i, terms.windows[i][2], now, calls) end
  end
  if #terms.work > 0 then fit(work_meter(), terms.work) end
  for i, window in ipairs(terms.work) do
    local worked_ms = (seen.windows or {})[#terms.windows + i] or 0
    if worked_ms > 0 then count_in(s.wk, i, window[2], now, worked_ms) end
  end
  for i, day in ipairs(seen.days or {}) do
    if s.d[i] and day[1] > 0 then s.d[i] = {b = day[1] - EPOCH, n = day[2]} end
  end
end

local before = fresh and -1e9 or s.m.at
tick()
if fresh and known ~= '' and verb ~= 'rejoin' then
  restore(cjson.decode(known), life / 2, 'the shared state was emptied, leases sign in again')
end
if ARGV[5] ~= '' then listen(cjson.decode(ARGV[5])) end

local function look()
  local list = redis.call('LRANGE', samples_key, -tonumber(ARGV[6]), -1)
  local held, pause = lease_count(), math.max(0, s.pu - now)
  fit(s.m, terms.windows)
  if rate_now() > 0 then refill(s.m, now, rate_now(), most_tokens(0)) end
  if points then purse() end
  for i, budget in ipairs(terms.budgets) do day_wait(s.d[i], budget, now, 0) end
  local breakers = {}
  for name, fuse in pairs(s.f) do
    breakers[#breakers + 1] = {name, fuse.o == 0 and 'closed' or now < fuse.o and 'open' or 'probing'}
  end
  local told = {now = now + EPOCH, rate = rate_now(), room = room_now(), held = held, tokens = s.m.t, pause = pause, why = s.pw,
    breakers = breakers, points = s.pl, latency = s.pc.la, samples = list, second = {s.s2[1] + EPOCH, s.s2[2], s.s2[3], s.s2[4]}}
  return {1, 0, 0, cjson.encode(told), '', 0}
end

local answer = {1, 0, 0, '', '', 0}
if verb == 'take' then
  local tokens, at = s.m.t, s.m.at
  answer = take(ARGV[6], tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9]), ARGV[10] == '1')
  -- For one call the bucket fills less high than for two: what is refused leaves it as it was.
  local as_it_was = answer[1] == 0 and ARGV[10] ~= '1' and not (s.r or s.ro) and s.sc == scale_before
  if as_it_was then s.m.t, s.m.at = tokens, math.min(at, now) end
elseif verb == 'give' then
  give(ARGV[6], tonumber(ARGV[7]))
elseif verb == 'keep' then
  for i = 6, #ARGV do
    -- Never brings back a lease that was released meanwhile: the caller asks again for those it still holds.
    if s.l[ARGV[i]] then s.l[ARGV[i]].u = now + life else answer[2] = answer[2] + 1 end
  end
elseif verb == 'sign' then
  for i = 6, #ARGV do lend(ARGV[i], 0, '', 0) end
elseif verb == 'pause' then
  pause_for(tonumber(ARGV[6]), ARGV[7])
elseif verb == 'rejoin' then
  for i = 9, #ARGV do lend(ARGV[i], 0, '', 0) end
  local settling = 'settling after an outage of the shared state'
  -- Gone, or untouched for the whole outage: everybody was cut off, and spent what this state did not see.
  if fresh then
    restore(cjson.decode(known ~= '' and known or '{}'), tonumber(ARGV[7]), settling)
  elseif now - before >= tonumber(ARGV[6]) then
    restore({}, tonumber(ARGV[7]), settling)
  end
  local spent = tonumber(ARGV[8])
  if spent > 0 then
    spend_on(s.m, terms.windows, now, spent, 0)
    for _, day in ipairs(s.d) do day.n = day.n + spent end
  end
elseif verb == 'look' then
  answer = look()
elseif verb ~= 'news' then
  return redis.error_reply('unknown verb')
end

if verb == 'news' then
  local bound = s.r or s.ro or s.pu > now
  for _, fuse in pairs(s.f) do bound = bound or fuse.o > 0 end
  if bound then answer[4] = 'bound' end
end
answer[3] = math.ceil(answer[3] * 1000000)
answer[7] = marks()
-- A refusal that changed nothing but what the next call works out again is not written: pollers are many.
local idle = verb == 'take' and answer[1] == 0 and ARGV[5] == '' and ARGV[10] ~= '1'
idle = idle and not (fresh or rolled or made or s.r or s.ro or s.sc ~= scale_before)
if verb ~= 'look' and not idle then redis.call('SET', state_key, cjson.encode(s), 'PX', KEPT_MS) end
return answer
