--- What went wrong with a job: told, and shown at the line of the config it is about.
local M = {}

local space = vim.api.nvim_create_namespace('namdrunner_diagnosis')

--- A diagnosis as lines.
---@param diagnosis table
---@return string[]
function M.lines(diagnosis)
  local lines = { diagnosis.summary, '' }
  for _, evidence in ipairs(diagnosis.evidence or {}) do
    local place = evidence.file and (' (%s%s)'):format(
      evidence.file,
      evidence.line and ':' .. evidence.line or ''
    ) or ''
    lines[#lines + 1] = ('%s%s: %s'):format(evidence.source, place, evidence.text)
  end
  if #(diagnosis.advice or {}) > 0 then
    lines[#lines + 1] = ''
    lines[#lines + 1] = 'What to do:'
    for _, advice in ipairs(diagnosis.advice) do
      lines[#lines + 1] = ('- %s%s'):format(
        advice.text,
        advice.safeToRepeat == false and ' (a plain repetition would fail again)' or ''
      )
    end
  end
  return lines
end

---@type table<integer, string> what is marked in each buffer
local marked = {}

--- Whether a file is what a job was made with: places in it are right only then.
local function is_what_ran(job)
  local file = io.open(job.configPath, 'rb')
  local text = file and file:read('*a')
  if file then
    file:close()
  end
  local ok, sum = pcall(vim.fn.sha256, text)
  return ok and sum == job.configSha256
end

--- A diagnosis as a diagnostic of the config: at its place, else at the line that runs something.
---@param buf integer
---@param job table
---@param diagnosis table
function M.mark(buf, job, diagnosis)
  local lines = vim.api.nvim_buf_get_lines(buf, 0, -1, false)
  local range = diagnosis.range
  if not range then
    local line = require('namdrunner.beside').line_of(lines)
    range = { start = { line = line, character = 0 }, ['end'] = { line = line, character = #(lines[line + 1] or '') } }
  end
  local advice = diagnosis.advice and diagnosis.advice[1]
  vim.diagnostic.set(space, buf, {
    {
      lnum = math.min(range.start.line, #lines - 1),
      col = range.start.character,
      end_lnum = math.min(range['end'].line, #lines - 1),
      end_col = range['end'].character,
      severity = vim.diagnostic.severity.ERROR,
      source = 'namdrunner',
      message = ('%s failed: %s%s'):format(job.jobName, diagnosis.summary, advice and '\n' .. advice.text or ''),
      code = diagnosis.cause,
    },
  })
end

--- Marks why the job of a buffer's config failed, as long as the file is what the job ran.
---@param buf integer
function M.look(buf)
  local job = require('namdrunner.jobs').of_config(require('namdrunner.beside').path_of(buf))
  local now = ''
  if job and job.status == 'FAILED' and is_what_ran(job) then
    -- (It is known a little later than the failure, and told then.)
    now = ('%s %d %s'):format(job.jobId, job.attempt, job.diagnosis and job.diagnosis.cause or '')
  end
  if (marked[buf] or '') == now then
    return
  end
  marked[buf] = now
  vim.diagnostic.reset(space, buf)
  if now == '' then
    return
  end
  if job.diagnosis then
    return M.mark(buf, job, job.diagnosis)
  end
  require('namdrunner.client').request('diagnose', { jobId = job.jobId }, function(_, result)
    local diagnosis = result and result.diagnosis
    if diagnosis and diagnosis ~= vim.NIL and marked[buf] == now and vim.api.nvim_buf_is_loaded(buf) then
      M.mark(buf, job, diagnosis)
    end
  end)
end

--- Asks for a job's diagnosis and shows it.
---@param job table
function M.show(job)
  local client = require('namdrunner.client')
  client.ask('diagnose', { jobId = job.jobId }, function(result)
    local diagnosis = result.diagnosis
    if not diagnosis or diagnosis == vim.NIL then
      return client.say(('%s: there is nothing to explain (%s).'):format(job.jobName, job.status))
    end
    require('namdrunner.preview').scratch('namd://' .. job.jobId .. '/diagnosis', M.lines(diagnosis), 'markdown')
  end)
end

return M
