-- Counts requests against one set of bounds: token bucket and sliding windows, budgets of a day, points. As meters.py.
local EPSILON, PARTS = 1e-6, 100

local function refill(m, now, rate, most)
  if rate > 0 then m.t = math.min(most, m.t + math.max(0, now - m.at) * rate) end
  m.at = now
end

local function rate_wait(m, calls, rate)
  local missing = calls - m.t
  if rate > 0 and missing > EPSILON then return missing / rate end
  return 0
end

local function fit(m, windows)
  for i = #m.p, #windows + 1, -1 do m.p[i] = nil end
  for i = #m.p + 1, #windows do m.p[i] = {} end
end

local function ends(number, span)
  -- A request may reach the target some time after its grant: counted that much longer.
  return (number + 1) * (span / PARTS) + span + math.min(0.1, span / 50)
end

local function numbers_of(parts, span, now)
  local numbers, total = {}, 0
  for key, count in pairs(parts) do
    local number = tonumber(key)
    if count <= 0 or ends(number, span) <= now then
      parts[key] = nil
    else
      numbers[#numbers + 1] = number
      total = total + count
    end
  end
  table.sort(numbers)
  return numbers, total
end

local function window_wait(m, windows, now, calls)
  fit(m, windows)
  local longest = 0
  for i, window in ipairs(windows) do
    local numbers, total = numbers_of(m.p[i], window[2], now)
    local over, wait = total + calls - window[1], 0
    if over > 0 then
      wait = window[2]
      for _, number in ipairs(numbers) do
        over = over - m.p[i][string.format('%.0f', number)]
        if over <= 0 then
          wait = ends(number, window[2]) - now
          break
        end
      end
    end
    longest = math.max(longest, wait)
  end
  return longest
end

local function count_in(m, i, span, now, calls)
  local key = string.format('%.0f', math.floor(now / (span / PARTS)))
  m.p[i][key] = (m.p[i][key] or 0) + calls
end

local function spend_on(m, windows, now, calls, rate)
  if rate > 0 then m.t = m.t - calls end
  fit(m, windows)
  for i, window in ipairs(windows) do count_in(m, i, window[2], now, calls) end
end

local function give_back_to(m, windows, now, calls, most)
  m.t = math.min(most, m.t + calls)
  fit(m, windows)
  for i, window in ipairs(windows) do
    local left = calls
    for _, number in ipairs((numbers_of(m.p[i], window[2], now))) do
      local key = string.format('%.0f', number)
      local took = math.min(left, m.p[i][key])
      m.p[i][key] = m.p[i][key] - took
      left = left - took
    end
  end
end

local function correct_window(m, windows, now, left)
  fit(m, windows)
  local _, total = numbers_of(m.p[1], windows[1][2], now)
  local over = math.floor(windows[1][1] - total - left)
  if over > 0 then count_in(m, 1, windows[1][2], now, over) end
end

local function day_wait(day, budget, now, calls)
  local began, next_reset = budget[2], now + 1
  for i = #budget, 2, -1 do
    if budget[i] > now then next_reset = budget[i] end
  end
  for i = 2, #budget do
    if budget[i] <= now then began = budget[i] end
  end
  if day.b ~= began then day.b, day.n = began, 0 end
  if day.n + calls <= budget[1] then return 0 end
  return next_reset - now
end
