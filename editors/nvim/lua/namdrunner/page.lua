--- Everything about one job, in a buffer: its state, its run, its resources, its history.
local M = {}

local words = require('namdrunner.words')

--- A job and its history as lines. Pure.
---@param job table
---@param entries table[]
---@param icons table<string, string>
---@return string[]
function M.lines(job, entries, icons)
  local lines = {
    '# ' .. job.jobName,
    '',
    words.headline(job, icons),
  }
  local function add(name, value)
    if value ~= nil and value ~= '' then
      lines[#lines + 1] = ('%-12s %s'):format(name, value)
    end
  end
  local fraction = words.fraction(job)
  if fraction then
    lines[#lines + 1] = words.bar(fraction, 40)
  end
  local used = words.used(job)
  if used and job.timeLimitSeconds and job.timeLimitSeconds > 0 then
    lines[#lines + 1] = ('%s of the wall clock: %s of %s'):format(
      words.bar(math.min(1, used / job.timeLimitSeconds), 40),
      words.clock(used),
      words.clock(job.timeLimitSeconds)
    )
  end
  lines[#lines + 1] = ''
  add('job', job.jobId)
  add('cluster', job.cluster)
  add('batch id', job.slurmJobId and ('%s %s'):format(job.slurmJobId, job.slurmState or ''))
  add('reason', job.reason and ('%s: %s'):format(job.reason.code, job.reason.text))
  add('nodes', job.nodes)
  add('partition', job.partition)
  add('exit code', job.exitCode)
  add('memory', job.maxRssBytes and words.size(job.maxRssBytes))
  add('config', job.configPath)
  add('project', job.projectDir)
  add('scratch', job.scratchDir)
  add('attempt', job.attempt)
  local asked = {}
  for key, value in pairs(job.resources or {}) do
    asked[#asked + 1] = ('%s %s'):format(key, type(value) == 'table' and table.concat(value, ' ') or value)
  end
  table.sort(asked)
  add('asked for', table.concat(asked, ', '))
  if job.errorInfo then
    lines[#lines + 1] = ''
    lines[#lines + 1] = job.errorInfo.message
    if job.errorInfo.hint then
      lines[#lines + 1] = job.errorInfo.hint
    end
  end
  if job.diagnosis then
    lines[#lines + 1] = ''
    vim.list_extend(lines, require('namdrunner.diagnosis').lines(job.diagnosis))
  end
  lines[#lines + 1] = ''
  lines[#lines + 1] = '## History'
  for _, entry in ipairs(entries) do
    lines[#lines + 1] = ('%s  %-10s %-12s %s'):format(
      entry.at:sub(1, 19):gsub('T', ' '),
      entry.to,
      entry.source or '',
      entry.evidence or ''
    )
  end
  return lines
end

--- Opens the page of a job; it follows the job while it is shown.
---@param id string
function M.open(id)
  local client = require('namdrunner.client')
  local icons = require('namdrunner.config').get().icons
  local function fill(show)
    client.request('jobStatus', { jobId = id }, function(failed, status)
      if failed then
        return client.say(client.explain(failed), vim.log.levels.ERROR)
      end
      client.request('jobHistory', { jobId = id }, function(error, history)
        local lines = M.lines(status.job, not error and history.entries or {}, icons)
        show(lines)
      end)
    end)
  end
  fill(function(lines)
    local buf = require('namdrunner.preview').scratch('namd://' .. id, lines, 'markdown')
    vim.b[buf].namdrunner_job = id
    require('namdrunner.jobs').listen(function(what, job)
      if not vim.api.nvim_buf_is_valid(buf) then
        return true
      end
      if what ~= 'job' or job.jobId ~= id then
        return
      end
      fill(function(now)
        if vim.api.nvim_buf_is_valid(buf) then
          vim.bo[buf].modifiable = true
          vim.api.nvim_buf_set_lines(buf, 0, -1, false, now)
          vim.bo[buf].modifiable = false
        end
      end)
    end)
  end)
end

return M
