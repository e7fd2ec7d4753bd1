--- `:Namd jobs`: all jobs in a buffer, grouped by cluster and status, live.
local M = {}

local NAME = 'namd://jobs'
local space = vim.api.nvim_create_namespace('namdrunner_queue')
local render = require('namdrunner.queue_render')

local buf, filter, rows, lines = nil, nil, {}, {}
-- `fresh`: the cursor has not been put on a job yet.
local due, fresh = false, false

--- Sets the lines of a buffer, but for those at both ends that stay as they are.
---@param old string[] what stands there
---@param new string[]
local function replace(into, old, new)
  local first, last = 0, 0
  local shorter = math.min(#old, #new)
  while first < shorter and old[first + 1] == new[first + 1] do
    first = first + 1
  end
  while last < shorter - first and old[#old - last] == new[#new - last] do
    last = last + 1
  end
  if first == #old and #old == #new then
    return
  end
  vim.bo[into].modifiable = true
  vim.api.nvim_buf_set_lines(into, first, #old - last, false, vim.list_slice(new, first + 1, #new - last))
  vim.bo[into].modifiable = false
end

--- Draws the list; the cursor stays on its job.
local function draw()
  due = false
  if not buf or not vim.api.nvim_buf_is_valid(buf) then
    buf = nil
    return
  end
  local jobs = require('namdrunner.jobs')
  local window = vim.fn.bufwinid(buf)
  local width = window ~= -1 and vim.api.nvim_win_get_width(window) or 80
  local at = window ~= -1 and rows[vim.api.nvim_win_get_cursor(window)[1]]
  local drawn = render.list(jobs.all(), jobs.clusters(), {
    width = width,
    filter = filter,
    icons = require('namdrunner.config').get().icons,
    now = os.time(),
  })
  rows = drawn.rows
  replace(buf, lines, drawn.lines)
  lines = drawn.lines
  vim.api.nvim_buf_clear_namespace(buf, space, 0, -1)
  for _, mark in ipairs(drawn.marks) do
    vim.api.nvim_buf_set_extmark(buf, space, mark.line, mark.from, {
      end_col = mark.to,
      hl_group = mark.group,
    })
  end
  if window ~= -1 and (at or fresh) and next(rows) then
    local to
    for line, id in pairs(rows) do
      if at and id == at or not at and line < (to or math.huge) then
        to = line
      end
    end
    if to then
      vim.api.nvim_win_set_cursor(window, { to, 0 })
    end
    fresh = false
  end
end

--- Draws soon: a burst of changes is drawn once.
local function draw_soon()
  if due or not buf then
    return
  end
  due = true
  vim.defer_fn(draw, 50)
end

local function with_row(callback)
  return function()
    local id = rows[vim.api.nvim_win_get_cursor(0)[1]]
    if id then
      callback(id)
    end
  end
end

local function command(words)
  return with_row(function(id)
    vim.cmd(('Namd %s %s'):format(words, id))
  end)
end

local keys = {
  { '<CR>', 'everything about the job', command('show') },
  { 's', 'submit (again)', command('submit') },
  { 'x', 'cancel', command('cancel') },
  { 'l', 'log', command('log') },
  { 'd', 'what went wrong', command('diagnose') },
  { 'g', 'get the results', command('download') },
  {
    'o',
    'open its config',
    with_row(function(id)
      local job = require('namdrunner.jobs').get(id)
      if job then
        vim.cmd('split ' .. vim.fn.fnameescape(job.configPath))
      end
    end),
  },
  {
    'R',
    'look at the clusters now',
    function()
      vim.cmd('Namd sync')
    end,
  },
  {
    '/',
    'filter; empty shows all',
    function()
      vim.ui.input({ prompt = 'Jobs with: ', default = filter or '' }, function(text)
        if text then
          filter = text ~= '' and text or nil
          draw()
        end
      end)
    end,
  },
  { 'D', 'delete', command('delete') },
  {
    'q',
    'close',
    function()
      vim.cmd('close')
    end,
  },
}

local function help()
  local said = {}
  for _, key in ipairs(keys) do
    said[#said + 1] = ('%-5s %s'):format(key[1], key[2])
  end
  require('namdrunner.client').say(table.concat(said, '\n'))
end

--- How folds are: a cluster, then a status.
---@return string
function M.fold()
  local line = vim.fn.getline(vim.v.lnum)
  if line:match('^%S') then
    return '>1'
  elseif line:match('^  %S') and not rows[vim.v.lnum] then
    return '>2'
  end
  return '='
end

--- Opens the list.
function M.open()
  if buf and vim.api.nvim_buf_is_valid(buf) and vim.fn.bufwinid(buf) ~= -1 then
    vim.api.nvim_set_current_win(vim.fn.bufwinid(buf))
    return draw()
  end
  buf = vim.api.nvim_create_buf(false, true)
  lines, fresh = { '' }, true
  vim.api.nvim_buf_set_name(buf, NAME)
  vim.bo[buf].bufhidden = 'wipe'
  vim.bo[buf].filetype = 'namdjobs'
  vim.cmd('botright split')
  vim.api.nvim_win_set_buf(0, buf)
  vim.wo.wrap = false
  vim.wo.number = false
  vim.wo.relativenumber = false
  vim.wo.cursorline = true
  vim.wo.foldmethod = 'expr'
  vim.wo.foldexpr = "v:lua.require'namdrunner.queue'.fold()"
  vim.wo.foldlevel = 99
  for _, key in ipairs(keys) do
    vim.keymap.set('n', key[1], key[3], { buffer = buf, nowait = true, desc = key[2] })
  end
  vim.keymap.set('n', '?', help, { buffer = buf, nowait = true, desc = 'the keys' })
  vim.api.nvim_create_autocmd('VimResized', { buffer = buf, callback = draw })
  if not M.listening then
    M.listening = true
    require('namdrunner.jobs').listen(draw_soon)
  end
  draw()
  -- The answer fills the list, which draws.
  local client = require('namdrunner.client')
  client.list(function(error)
    if error then
      client.say(client.explain(error), vim.log.levels.ERROR)
    end
  end)
end

return M
