-- Takes in what the answers of an account say, as lessons.py.
local function lower_room(pace)
  local room = room_now()
  if lease_count() < 0.75 * room then return end
  s.ro = s.ro or working(room, now)
  local least = s.ro.pk > 0 and room - 1 or 1
  lower(s.ro, now, math.min(room, math.max(least, pace * s.pc.la, room / 2)), BACK, learn[2], 1)
end

local function lower_rate(pace)
  local rate, floor = working_rate(), math.min(learn[1], terms.rate > 0 and terms.rate or math.huge)
  if s.r and s.r.pk > 0 then
    -- Far more than the peak gave was let in: it was of another time, and the mean since then is too low.
    local moved = over(s.r, now) > math.max(terms.burst, s.r.pk / 2)
    return measure(s.r, now, floor, moved and pace or 0)
  end
  local base = rate == math.huge and math.max(pace, FIRST_PER_S) or math.min(rate, math.max(pace, rate * WORKED_LEAST))
  s.r = s.r or working(base, now)
  lower(s.r, now, base, RATE_BACK, floor, 0)
end

local function dry()
  local rate = rate_now()
  if rate > 0 then
    refill(s.m, now, rate, most_tokens(0))
    local pause = math.max(0, s.pu - now)
    s.m.t = math.min(s.m.t, -math.min(1, pause) * rate)
    if s.r then s.r.g = -math.min(pause * rate, TOKENS_PAUSE, terms.burst) end
  end
end

local function refused(retry_after)
  if retry_after >= 0 then pause_for(math.min(retry_after, RETRY_AFTER_MOST_S), REFUSED) end
  local since = now - s.lw
  if since >= 0 and since < (learn and learn[5] or COOLDOWN_S) then return end
  s.lw = now
  local pace = pace_now(s.pc, now)
  if learn then
    -- Where there is a rate, fewer calls a second are fewer at once as well, and that is measured.
    local lower_one = room_now() > 0 and working_rate() == math.huge and lower_room or lower_rate
    lower_one(pace)
  end
  if retry_after < 0 then
    local rate = working_rate()
    pause_for(throttle_pause(rate == math.huge and math.max(pace, UNKNOWN_PER_S) or rate, s.sk), REFUSED)
  end
  dry()
  s.sk = s.sk + 1
end

local function slowed(back)
  local room, rate = room_now(), working_rate()
  s.lw = now
  if room > 0 then
    local base = math.min(room, math.max(lease_count(), math.floor((room + 1) / 2)))
    s.ro = s.ro or working(room, now)
    lower(s.ro, now, base, back, learn[2], 1)
  elseif rate ~= math.huge then
    local base = math.min(rate, math.max(pace_now(s.pc, now), rate / 2))
    s.r = s.r or working(base, now)
    lower(s.r, now, base, back, learn[1], 0)
  end
end

local function good(operation, count, total)
  s.s2[3] = s.s2[3] + count
  worked(total)
  for _, named in ipairs(fuses(operation)) do fuse_good(named[2], now, breaker, count) end
  s.sk = 0
  pace_add(s.pc, now, count, total)
  if not learn or learn[6] == 0 then return end
  if not s.q[operation] then s.q[operation] = {b = now, c = 0, t = 0, best = 0, slow = 0} end
  local back = felt(s.q[operation], now, count, total, learn[6])
  if back < 1 then slowed(back) end
end

local function correct(hints, operation)
  if hints.remaining and not hints.reset_s and terms.rate > 0 then
    refill(s.m, now, rate_now(), most_tokens(0))
    s.m.t = math.min(s.m.t, math.max(0, hints.remaining))
  end
  if hints.remaining and hints.reset_s and hints.remaining < 1 then
    pause_for(math.min(hints.reset_s, RETRY_AFTER_MOST_S), "the target's quota is used up")
  end
  if hints.remaining and hints.reset_s and #terms.windows > 0 then correct_window(s.m, terms.windows, now, hints.remaining) end
  local inner = terms.ops[operation]
  if hints.rate_per_s and inner then
    meter_of(operation, inner).told = math.max(0, hints.rate_per_s)
  elseif hints.rate_per_s and hints.rate_per_s > 0 and hints.rate_per_s < working_rate() then
    s.r = working(hints.rate_per_s, now)
    s.r.pk, s.r.ld = hints.rate_per_s, now
  end
  if hints.points_left and points then
    purse()
    local left = math.min(hints.points_left, points[1])
    s.pl = math.min(left, math.max(s.pl, left - lease_count() * points[3]))
  end
end

local function listen(news)
  s.s2[2] = s.s2[2] + (news.granted or 0)
  for _, lease in ipairs(news.sent or {}) do sent(lease) end
  if news.hints then correct(news.hints, news.hinted) end
  for operation, sums in pairs(news.ok or {}) do good(operation, sums[1], sums[2]) end
  for _, one in ipairs(news.bad or {}) do
    s.s2[3] = s.s2[3] + 1
    if one[2] == 'throttled' then
      s.s2[4] = s.s2[4] + 1
      refused(one[3])
    else
      worked(one[4])
      for _, named in ipairs(fuses(one[1])) do fuse_failed(named[2], now, breaker, named[1] ~= '') end
    end
  end
end
