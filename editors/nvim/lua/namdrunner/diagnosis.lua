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

--- Sets it as a diagnostic of the config, if that is open.
---@param job table
---@param diagnosis table
function M.mark(job, diagnosis)
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and require('namdrunner.beside').path_of(buf) == job.configPath then
      local range = diagnosis.range
      if range then
        vim.diagnostic.set(space, buf, {
          {
            lnum = range.start.line,
            col = range.start.character,
            end_lnum = range['end'].line,
            end_col = range['end'].character,
            severity = vim.diagnostic.severity.ERROR,
            source = 'namdrunner',
            message = diagnosis.summary,
            code = diagnosis.cause,
          },
        })
      else
        vim.diagnostic.set(space, buf, {})
      end
    end
  end
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
    M.mark(job, diagnosis)
    require('namdrunner.preview').scratch('namd://' .. job.jobId .. '/diagnosis', M.lines(diagnosis), 'markdown')
  end)
end

return M
