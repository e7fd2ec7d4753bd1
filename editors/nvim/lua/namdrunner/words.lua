--- Jobs in words: what stands beside a config, in the list and in notifications. Pure.
local M = {}

--- Seconds as Slurm writes a time: `1-02:03:04`, `2:03:04`, `3:04`.
---@param seconds integer
---@return string
function M.clock(seconds)
  seconds = math.floor(seconds)
  local days = math.floor(seconds / 86400)
  local hours = math.floor(seconds / 3600) % 24
  local minutes = math.floor(seconds / 60) % 60
  if days > 0 then
    return ('%d-%02d:%02d:%02d'):format(days, hours, minutes, seconds % 60)
  elseif hours > 0 then
    return ('%d:%02d:%02d'):format(hours, minutes, seconds % 60)
  end
  return ('%d:%02d'):format(minutes, seconds % 60)
end

--- Seconds for people: `3 d 4 h`, `2 h 5 min`, `40 s`.
---@param seconds integer
---@return string
function M.span(seconds)
  seconds = math.max(0, math.floor(seconds))
  if seconds < 60 then
    return ('%d s'):format(seconds)
  elseif seconds < 3600 then
    return ('%d min'):format(math.floor(seconds / 60))
  elseif seconds < 86400 then
    local minutes = math.floor(seconds / 60) % 60
    local hours = math.floor(seconds / 3600)
    return minutes > 0 and ('%d h %d min'):format(hours, minutes) or ('%d h'):format(hours)
  end
  local hours = math.floor(seconds / 3600) % 24
  local days = math.floor(seconds / 86400)
  return hours > 0 and ('%d d %d h'):format(days, hours) or ('%d d'):format(days)
end

--- A size for people.
---@param bytes integer
---@return string
function M.size(bytes)
  local unit, units = 0, { 'kB', 'MB', 'GB', 'TB' }
  if bytes < 1000 then
    return ('%d B'):format(bytes)
  end
  local value = bytes
  while value >= 1000 and unit < #units do
    value, unit = value / 1000, unit + 1
  end
  return (value >= 10 and '%.0f %s' or '%.1f %s'):format(value, units[unit])
end

--- Seconds since 1970 of an RFC 3339 time in UTC; nil if it is none.
---@param text string?
---@return integer?
function M.time(text)
  local y, mo, d, h, mi, s = (text or ''):match('^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)')
  if not y then
    return nil
  end
  -- os.time takes local time: counted by hand instead (days since 1970, Gregorian).
  y, mo, d = tonumber(y), tonumber(mo), tonumber(d)
  if mo <= 2 then
    y, mo = y - 1, mo + 12
  end
  local days = 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
    + math.floor((153 * (mo - 3) + 2) / 5) + d - 719469
  return days * 86400 + tonumber(h) * 3600 + tonumber(mi) * 60 + tonumber(s)
end

local FINER = {
  waitingForLogin = 'waiting for a login',
  waitingForRoom = 'waiting for room',
  submitting = 'submitting',
  unconfirmed = 'unconfirmed',
  held = 'held',
  starting = 'starting',
  suspended = 'suspended',
  finishing = 'finishing',
}

--- How far a run is, from 0 to 1; nil where that is not known.
---@param job table
---@return number?
function M.fraction(job)
  local progress = job.progress
  if not progress or not progress.totalSteps or progress.totalSteps <= 0 then
    return nil
  end
  local done = (progress.stepsDone or progress.step or 0) / progress.totalSteps
  return math.min(1, math.max(0, done))
end

--- A progress bar.
---@param fraction number
---@param width integer
---@return string
function M.bar(fraction, width)
  local full = math.floor(fraction * width + 0.5)
  return ('█'):rep(full) .. ('░'):rep(width - full)
end

--- The status, and the phase where that says more.
---@param job table
---@return string
function M.status(job)
  local finer = FINER[job.phase]
  return finer and ('%s (%s)'):format(job.status, finer) or job.status
end

--- The parts of what is known of a run: percentage, speed, time left.
---@param job table
---@return string[]
function M.run(job)
  local parts = {}
  local fraction, progress = M.fraction(job), job.progress
  if fraction then
    parts[#parts + 1] = ('%d %%'):format(math.floor(fraction * 100))
  end
  if progress and progress.nsPerDay then
    parts[#parts + 1] = ('%.4g ns/day'):format(progress.nsPerDay)
  end
  if progress and progress.etaSeconds then
    parts[#parts + 1] = 'ETA ' .. M.span(progress.etaSeconds)
  end
  if progress and progress.finishesBeforeLimit == false then
    parts[#parts + 1] = 'will not finish in time'
  end
  return parts
end

--- Seconds a job has run: what was told ages, so a running one's are counted on.
---@param job table
---@return integer?
function M.used(job)
  local started = job.status == 'RUNNING' and job.phase ~= 'suspended' and M.time(job.startedAt)
  return started and math.max(0, os.time() - started) or job.timeUsedSeconds
end

--- What there is to say beside the status.
---@param job table
---@return string?
function M.detail(job)
  if job.status == 'PENDING' then
    return job.reason and job.reason.text
  elseif job.status == 'RUNNING' then
    local run = M.run(job)
    if #run > 0 then
      return table.concat(run, ' · ')
    end
    local used, limit = M.used(job), job.timeLimitSeconds
    if used and limit then
      return ('%s of %s'):format(M.clock(used), M.clock(limit))
    end
    return used and M.clock(used)
  elseif job.status == 'COMPLETED' then
    return job.timeUsedSeconds and 'took ' .. M.clock(job.timeUsedSeconds)
  elseif job.status == 'FAILED' or job.status == 'CANCELLED' then
    return job.diagnosis and job.diagnosis.summary or job.cause and job.cause.text
  elseif job.status == 'UNKNOWN' then
    return 'nothing witnessed its end'
  end
  return job.errorInfo and job.errorInfo.message
end

--- A job in one line.
---@param job table
---@param icons table<string, string>
---@return string
function M.headline(job, icons)
  local said = { ('%s %s'):format(icons[job.status] or '·', M.status(job)) }
  local detail = M.detail(job)
  if detail then
    said[#said + 1] = (detail:gsub('%.$', ''))
  end
  if job.observed and job.observed.stale then
    said[#said + 1] = 'not confirmed lately'
  end
  return table.concat(said, ' · ')
end

--- The highlight group of a status.
---@param status string
---@return string
function M.group(status)
  return ({
    CREATED = 'Comment',
    PENDING = 'DiagnosticInfo',
    RUNNING = 'DiagnosticHint',
    COMPLETED = 'DiagnosticOk',
    FAILED = 'DiagnosticError',
    CANCELLED = 'DiagnosticWarn',
    UNKNOWN = 'DiagnosticWarn',
  })[status] or 'Comment'
end

--- Whether nothing more happens by itself.
---@param status string
---@return boolean
function M.ended(status)
  return status == 'COMPLETED' or status == 'FAILED' or status == 'CANCELLED' or status == 'UNKNOWN'
end

return M
