-- Learns how much of a limit works; breakers. The same figures and steps as learning.py and breaking.py.
local BACK, RATE_BACK, BACK_SURE, EARLY = 0.7, 0.5, 0.93, 0.97
local UNSURE, SHORT_UNSURE, SHORT_S, SHORT_BACK = 1.0, 3.0, 0.5, 0.8
local STEEP, SURE_FROM, SURE_MOST = 0.04, 6, 9
local HOLD_CALLS, HOLD_LEAST_S, HOLD_MOST_S = 70.0, 2.0, 4.0
local NEAR, QUICK_S, BEYOND, TRIED, WANTED_S, FORGET_S = 0.25, 1.0, 1.1, 1.11, 1.0, 600.0
local RATE_DOUBLES_S, ROOM_DOUBLES_S = 1.0, 5.0
local TOKENS_PAUSE, LEAVES_S, PAUSE_MOST_S = 2.5, 0.04, 30.0
local LATENCY_S, LATENCY_LEAST, LATENCY_SLACK_S, BEST_FADES, SLOWEST_CUT = 1.0, 5, 0.02, 1.002, 0.5
local PROBE_WAIT_S = 0.25

local function working(level, now)
  return {l = level, lo = level, at = now, pk = 0, si = now, su = 0, ld = 0, g = 0, wa = -FORGET_S, me = false}
end

local function curve(w, passed)
  local longer = 2 ^ math.max(0, w.su - SURE_FROM)
  if w.me then
    local hold = math.min(HOLD_MOST_S, math.max(HOLD_LEAST_S, HOLD_CALLS / w.pk)) * math.sqrt(longer)
    return passed < hold and w.pk or TRIED * w.pk
  end
  local steep = STEEP / longer
  local plateau = (math.max(0, w.pk - w.lo) / (w.pk * steep)) ^ (1 / 3)
  return w.pk * (1 + steep * (passed - plateau) ^ 3)
end

local function grow(w, now, top, doubles, kept)
  local passed = math.max(0, now - w.at)
  w.at = now
  if not kept and top == 0 and now - w.ld > FORGET_S then return false end
  if now - w.wa > WANTED_S and top == 0 then
    w.si = w.si + passed
    return true
  end
  if w.l >= BEYOND * w.pk then
    w.l = w.l * 2 ^ (math.min(passed, 0.5) / doubles)
  else
    w.l = math.max(w.l, curve(w, now - w.si))
  end
  return top == 0 or w.l < top
end

local function rest(w, till)
  w.si = w.si + math.max(0, till - w.at)
  w.at = math.max(w.at, till)
end

local function begin(w, now, peak, level, measured)
  w.pk, w.l, w.lo, w.me, w.g = peak, level, level, measured, 0
  w.si, w.at, w.ld = now, now, now
end

local function lower(w, now, base, back, floor, step)
  local quick = now - w.ld < QUICK_S
  local confirmed = w.pk > 0 and not quick and math.abs(base - w.pk) < NEAR * w.pk
  if not quick then w.su = confirmed and math.min(w.su + 1, SURE_MOST) or 0 end
  local low = base * back
  if confirmed then low = math.max(low, math.min(base * BACK_SURE, base - step)) end
  begin(w, now, base, math.max(floor, low), false)
end

local function over(w, now) return w.g - 1 - w.pk * (now - w.si) end

local function measure(w, now, floor, worked)
  local early, passed = w.l < BEYOND * w.pk, math.max(1e-3, now - w.si)
  local unsure, back = UNSURE, 0.5
  if passed < SHORT_S then unsure, back = SHORT_UNSURE, SHORT_BACK end
  local least, most = (w.g - 1 - unsure) / passed, (w.g - 1 + unsure) / passed
  local rate = math.min(w.l, most, math.max(least, w.pk * (early and EARLY or 1)))
  rate = math.max(floor, w.lo * back, math.min(w.l, worked), rate)
  local confirmed = math.abs(rate - w.pk) < NEAR * w.pk
  if not (early and confirmed) then w.su = confirmed and math.min(w.su + 1, SURE_MOST) or 0 end
  begin(w, now, rate, rate, true)
end

local function felt(p, now, count, total, ratio)
  p.c, p.t = p.c + count, p.t + total
  if now - p.b < LATENCY_S or p.c < LATENCY_LEAST then return 1 end
  local mean = p.t / p.c
  p.b, p.c, p.t = now, 0, 0
  p.best = p.best == 0 and mean or math.min(mean, p.best * BEST_FADES)
  local most = p.best * ratio + LATENCY_SLACK_S
  p.slow = ratio > 0 and mean > most and p.slow + 1 or 0
  -- One slow interval may be a stall of ours.
  if p.slow > 1 then return math.max(SLOWEST_CUT, math.min(0.95, most / mean)) end
  return 1
end

local function pace_add(p, now, count, total)
  p.r = p.r * math.exp(-math.max(0, now - p.at)) + count
  local mean = total / count
  p.la = p.la == 0 and mean or p.la + (mean - p.la) * math.min(1, count / 10)
  p.at = now
end

local function pace_now(p, now)
  return p.r * math.exp(-math.max(0, now - p.at)) / (1 - math.exp(-math.max(0.05, now - p.b)))
end

local function throttle_pause(level, streak)
  return math.min(PAUSE_MOST_S, (LEAVES_S + TOKENS_PAUSE / level) * 2 ^ math.min(streak, 20))
end

local function fuse_wait(f, now, lease, leases)
  if f.o == 0 or lease == f.pr then return 0 end
  if now < f.o then return f.o - now end
  return f.pr ~= '' and leases[f.pr] and PROBE_WAIT_S or 0
end

local function fuse_count(f, now, rules, count)
  if now - f.b > rules[4] then f.b, f.c, f.bad = now, 0, 0 end
  f.c = f.c + count
end

local function fuse_open(f, now, open_s) f.os, f.o, f.pr = open_s, now + open_s, '' end

local function fuse_good(f, now, rules, count)
  if f.o == 0 then
    fuse_count(f, now, rules, count)
    f.run = 0
  elseif now >= f.o and f.pr ~= '' then
    f.b, f.run, f.c, f.bad, f.o, f.os, f.pr = now, 0, 0, 0, 0, 0, ''
  end
end

local function fuse_failed(f, now, rules, by_ratio)
  if f.o == 0 then
    fuse_count(f, now, rules, 1)
    f.run, f.bad = f.run + 1, f.bad + 1
    local too_many = by_ratio and f.c >= rules[3] and f.bad >= rules[2] * f.c
    if f.run >= rules[1] or too_many then fuse_open(f, now, rules[5]) end
  elseif now >= f.o and f.pr ~= '' then
    fuse_open(f, now, math.min(rules[6], f.os * 2))
  end
end
