--- The job beside its config: a sign and a text at the line that runs something. Redrawn only where
--- something changed.
local M = {}

local space = vim.api.nvim_create_namespace('namdrunner')
-- Milliseconds between redraws of the time a job has run.
local CLOCK = 30000

local started = false
---@type table<integer, string> what stands in each buffer
local shown = {}

--- The path a job of this buffer has: the directory as the kernel sees it, the name as it is.
---@param buf integer
---@return string
function M.path_of(buf)
  local name = vim.api.nvim_buf_get_name(buf)
  local directory = vim.fs.dirname(name)
  return ((directory and vim.uv.fs_realpath(directory)) or directory or '') .. '/' .. vim.fs.basename(name)
end

--- The line that runs something first, from 0; else the first line.
---@param lines string[]
---@return integer
function M.line_of(lines)
  for number, line in ipairs(lines) do
    local word = line:match('^%s*(%a+)%s')
    if word and (word:lower() == 'run' or word:lower() == 'minimize') then
      return number - 1
    end
  end
  return 0
end

--- Draws one buffer.
---@param buf integer
function M.draw(buf)
  local config = require('namdrunner.config').get()
  if not config.beside or vim.b[buf].namdrunner_beside == false then
    vim.api.nvim_buf_clear_namespace(buf, space, 0, -1)
    shown[buf] = nil
    return
  end
  local words = require('namdrunner.words')
  local job = require('namdrunner.jobs').of_config(M.path_of(buf))
  local text = job and words.headline(job, config.icons) or ''
  local line = M.line_of(vim.api.nvim_buf_get_lines(buf, 0, -1, false))
  local now = ('%d %s'):format(line, text)
  if shown[buf] == now then
    return
  end
  shown[buf] = now
  vim.api.nvim_buf_clear_namespace(buf, space, 0, -1)
  if not job then
    return
  end
  local group = words.group(job.status)
  vim.api.nvim_buf_set_extmark(buf, space, line, 0, {
    virt_text = { { '  ' .. text, group } },
    virt_text_pos = 'eol',
    priority = 200,
    sign_text = config.sign and config.icons[job.status] or nil,
    sign_hl_group = config.sign and group or nil,
  })
end

--- Asks for the lenses anew: before 0.12 Neovim does not take the server's word that they changed.
local function refresh_lenses(buf)
  if not vim.lsp.codelens.enable and require('namdrunner.config').get().codelens then
    vim.lsp.codelens.refresh({ bufnr = buf })
  end
end

local function each(callback)
  for buf in pairs(shown) do
    if vim.api.nvim_buf_is_loaded(buf) then
      callback(buf)
    else
      shown[buf] = nil
    end
  end
end

--- Shows the job beside a buffer from now on.
---@param buf integer
function M.attach(buf)
  shown[buf] = shown[buf] or ''
  M.draw(buf)
  require('namdrunner.diagnosis').look(buf)
  local group = vim.api.nvim_create_augroup('namdrunner_beside_' .. buf, { clear = true })
  vim.api.nvim_create_autocmd({ 'TextChanged', 'InsertLeave', 'BufWritePost' }, {
    group = group,
    buffer = buf,
    callback = function(event)
      M.draw(buf)
      if event.event == 'BufWritePost' then
        require('namdrunner.diagnosis').look(buf)
      end
    end,
  })
  if require('namdrunner.config').get().codelens then
    if vim.lsp.codelens.enable then
      vim.lsp.codelens.enable(true, { bufnr = buf })
    else
      vim.lsp.codelens.refresh({ bufnr = buf })
      vim.api.nvim_create_autocmd({ 'BufEnter', 'InsertLeave', 'BufWritePost' }, {
        group = group,
        buffer = buf,
        callback = function()
          vim.lsp.codelens.refresh({ bufnr = buf })
        end,
      })
    end
  end
end

--- Listens from now on.
function M.start()
  if started then
    return
  end
  started = true
  local jobs = require('namdrunner.jobs')
  local function show(buf)
    M.draw(buf)
    refresh_lenses(buf)
    require('namdrunner.diagnosis').look(buf)
  end
  jobs.listen(function(what, job)
    if what == 'job' then
      each(function(buf)
        if M.path_of(buf) == job.configPath then
          show(buf)
        end
      end)
    elseif what == 'all' or what == 'gone' then
      each(show)
    end
  end)
  -- How long a job has run is told by nobody.
  local timer = assert(vim.uv.new_timer())
  timer:start(CLOCK, CLOCK, function()
    local running = jobs.counts()
    if running > 0 then
      vim.schedule(function()
        each(M.draw)
      end)
    end
  end)
end

--- What stands beside a buffer.
---@param buf integer
---@return string
function M.text(buf)
  local marks = vim.api.nvim_buf_get_extmarks(buf, space, 0, -1, { details = true })
  local mark = marks[1]
  return mark and mark[4].virt_text and vim.trim(mark[4].virt_text[1][1]) or ''
end

--- Switches it on or off for a buffer.
---@param buf integer
function M.toggle(buf)
  vim.b[buf].namdrunner_beside = vim.b[buf].namdrunner_beside == false
  shown[buf] = ''
  M.draw(buf)
end

return M
