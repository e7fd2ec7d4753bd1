--- Tells the ends of jobs: those this editor saw alive, one message for a burst.
local M = {}

local started = false
local ends = {}

local function tell()
  local told = ends
  ends = {}
  if #told == 0 then
    return
  end
  local words = require('namdrunner.words')
  local config = require('namdrunner.config').get()
  local client = require('namdrunner.client')
  local failed = vim.tbl_filter(function(job)
    return job.status ~= 'COMPLETED'
  end, told)
  local level = #failed > 0 and vim.log.levels.WARN or vim.log.levels.INFO
  if #told > 3 then
    client.say(
      ('%d jobs ended, %d of them not as they should. :Namd jobs lists them.'):format(#told, #failed),
      level
    )
    return
  end
  for _, job in ipairs(told) do
    client.say(
      ('%s: %s'):format(job.jobName, words.headline(job, config.icons)),
      job.status == 'COMPLETED' and vim.log.levels.INFO or vim.log.levels.WARN
    )
  end
end

--- Takes one change.
---@param job table
---@param from string?
function M.take(job, from)
  local words = require('namdrunner.words')
  local kind = require('namdrunner.config').get().notify
  if not from or from == job.status or words.ended(from) or not words.ended(job.status) then
    return
  end
  if kind == 'none' or (kind == 'failures' and job.status == 'COMPLETED') then
    return
  end
  if #ends == 0 then
    vim.defer_fn(tell, 300)
  end
  ends[#ends + 1] = job
end

--- Listens from now on.
function M.start()
  if started then
    return
  end
  started = true
  require('namdrunner.jobs').listen(function(what, job, from)
    if what == 'job' then
      M.take(job, from)
      vim.api.nvim_exec_autocmds('User', {
        pattern = 'NamdJobChanged',
        modeline = false,
        data = { job = job, from = from },
      })
    end
  end)
  if require('namdrunner.config').get().progress then
    M.show_progress()
  end
end

--- Shows `$/progress` in the echo area, unless a plugin does.
function M.show_progress()
  vim.api.nvim_create_autocmd('LspProgress', {
    group = vim.api.nvim_create_augroup('namdrunner_progress', { clear = true }),
    callback = function(event)
      local data = event.data or {}
      local client = vim.lsp.get_client_by_id(data.client_id or -1)
      if not client or client.name ~= 'namdrunner' then
        return
      end
      if package.loaded['fidget'] or package.loaded['noice'] or package.loaded['mini.notify'] then
        return
      end
      local params = data.params or data.result or {}
      local value = params.value or {}
      if value.kind == 'end' then
        vim.api.nvim_echo({ { '' } }, false, {})
        return
      end
      local text = value.title or value.message or ''
      if value.title and value.message then
        text = value.title .. ': ' .. value.message
      end
      if value.percentage then
        text = ('%s %d %%'):format(text, value.percentage)
      end
      vim.api.nvim_echo({ { 'NAMD: ' .. text } }, false, {})
    end,
  })
end

return M
