--- A job's log, followed by offset while it grows.
local M = {}

local PERIOD = 2000
local PAGE = 256 * 1024

local function client()
  return require('namdrunner.client')
end

--- Appends text to a buffer; whoever looks at its end stays there.
local function append(buf, text)
  local last = vim.api.nvim_buf_line_count(buf)
  local at_end = {}
  for _, window in ipairs(vim.fn.win_findbuf(buf)) do
    at_end[window] = vim.api.nvim_win_get_cursor(window)[1] >= last
  end
  local lines = vim.split(text:gsub('\r\n', '\n'), '\n', { plain = true })
  local open = vim.api.nvim_buf_get_lines(buf, last - 1, last, false)[1] or ''
  lines[1] = open .. lines[1]
  vim.bo[buf].modifiable = true
  vim.api.nvim_buf_set_lines(buf, last - 1, last, false, lines)
  vim.bo[buf].modifiable = false
  for window, follows in pairs(at_end) do
    if follows then
      vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buf), 0 })
    end
  end
end

--- Opens the log of a job: `namd`, `stdout` or `stderr`.
---@param job table
---@param which string?
function M.open(job, which)
  which = which or 'namd'
  client().ask('jobLog', { jobId = job.jobId, which = which, tail = PAGE }, function(page)
    local name = ('namd://%s/%s.log'):format(job.jobId, which)
    local buf = require('namdrunner.preview').scratch(name, {}, 'namdlog')
    vim.b[buf].namdrunner_job = job.jobId
    append(buf, page.text or '')
    local offset = page.offset
    vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(buf), 0 })
    local timer = assert(vim.uv.new_timer())
    local asking = false
    timer:start(PERIOD, PERIOD, vim.schedule_wrap(function()
      if not vim.api.nvim_buf_is_valid(buf) then
        if not timer:is_closing() then
          timer:close()
        end
        return
      end
      local now = require('namdrunner.jobs').get(job.jobId)
      if asking or (now and require('namdrunner.words').ended(now.status) and vim.b[buf].namdrunner_done) then
        return
      end
      asking = true
      client().request('jobLog', { jobId = job.jobId, which = which, offset = offset }, function(error, more)
        asking = false
        if error or not vim.api.nvim_buf_is_valid(buf) then
          return
        end
        if more.text and more.text ~= '' then
          append(buf, more.text)
        end
        offset = more.offset
        vim.b[buf].namdrunner_done = now ~= nil
          and require('namdrunner.words').ended(now.status)
          and more.eof
      end)
    end))
  end)
end

return M
