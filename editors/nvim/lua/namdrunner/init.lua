--- What other plugins and init.lua may call.
local M = {}

--- The job of a buffer's config, if there is one.
---@param buf integer?
---@return table?
function M.job(buf)
  local path = require('namdrunner.beside').path_of(buf or vim.api.nvim_get_current_buf())
  return require('namdrunner.jobs').of_config(path)
end

--- All jobs that are known here, newest first.
---@return table[]
function M.jobs()
  return require('namdrunner.jobs').all()
end

--- Asks the server: `callback(error, result)`. Every method of the protocol may be asked.
---@param method string
---@param params table?
---@param callback fun(error: table?, result: any)
---@return fun() withdraw
function M.request(method, params, callback)
  return require('namdrunner.client').request(method, params, callback)
end

--- For a status line: the job of the buffer, and how many jobs run and wait. Empty while nothing is
--- known; cheap, and starts nothing.
---@param buf integer?
---@return string
function M.statusline(buf)
  if not package.loaded['namdrunner.jobs'] then
    return ''
  end
  local icons = require('namdrunner.config').get().icons
  local running, pending = require('namdrunner.jobs').counts()
  local parts = {}
  local job = M.job(buf)
  if job then
    parts[#parts + 1] = ('%s %s'):format(icons[job.status] or '·', job.status)
  end
  if running + pending > 0 then
    parts[#parts + 1] = ('%d R · %d P'):format(running, pending)
  end
  return table.concat(parts, '  ')
end

--- Optional: the same as setting `vim.g.namdrunner`.
---@param settings table?
function M.setup(settings)
  vim.g.namdrunner = vim.tbl_extend('force', require('namdrunner.config').given(), settings or {})
end

return M
