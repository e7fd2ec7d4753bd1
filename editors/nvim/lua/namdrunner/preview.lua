--- What a job would be, and what it is: the files, the script, and how the config has changed.
local M = {}

local function client()
  return require('namdrunner.client')
end

--- Shows lines in a buffer of their own, which a second call fills anew.
---@param name string
---@param lines string[]
---@param filetype string
---@param opts { split: string? }?
---@return integer buf
function M.scratch(name, lines, filetype, opts)
  local buf = vim.fn.bufnr(name)
  if buf == -1 then
    buf = vim.api.nvim_create_buf(true, true)
    vim.api.nvim_buf_set_name(buf, name)
  end
  local flat = {}
  for _, line in ipairs(lines) do
    vim.list_extend(flat, vim.split(line, '\n', { plain = true }))
  end
  vim.bo[buf].modifiable = true
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, flat)
  vim.bo[buf].modifiable = false
  vim.bo[buf].bufhidden = 'wipe'
  vim.bo[buf].filetype = filetype
  local window = vim.fn.bufwinid(buf)
  if window ~= -1 then
    vim.api.nvim_set_current_win(window)
  else
    vim.cmd((opts and opts.split or 'botright split') .. ' ' .. vim.fn.fnameescape(name))
  end
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buf, nowait = true, desc = 'close' })
  return buf
end

--- The files of a preview as lines.
---@param preview table
---@return string[]
function M.lines(preview)
  local words = require('namdrunner.words')
  local lines = {}
  for _, finding in ipairs(preview.findings or {}) do
    lines[#lines + 1] = ('# %s: %s'):format(finding.severity, finding.message)
  end
  lines[#lines + 1] = ('# %d files, %s to be sent'):format(
    #preview.files,
    words.size(preview.totalBytes or 0)
  )
  for _, file in ipairs(preview.files) do
    lines[#lines + 1] = ('# %-9s %8s  %s'):format(
      file.action,
      file.bytes and words.size(file.bytes) or '',
      file.remote
    )
  end
  if preview.rewritten then
    lines[#lines + 1] = '# the uploaded config differs:'
    for line in vim.gsplit(preview.rewritten, '\n', { plain = true }) do
      lines[#lines + 1] = '#   ' .. line
    end
  end
  lines[#lines + 1] = ''
  vim.list_extend(lines, vim.split(preview.script, '\n', { plain = true }))
  return lines
end

--- Previews the config in the window.
---@param cluster string?
function M.show(cluster)
  local path = vim.api.nvim_buf_get_name(0)
  client().ask('previewJob', { configPath = path, cluster = cluster }, function(preview)
    M.scratch('namd://preview', M.lines(preview), 'sh')
  end)
end

--- Compares the config with what its job runs.
---@param job table
function M.diff(job)
  client().ask('workspace/executeCommand', {
    command = 'namdrunner.diff',
    arguments = { job.jobId },
  }, function(result)
    vim.cmd('tabedit ' .. vim.fn.fnameescape(result.configPath))
    vim.cmd('diffthis')
    local lines = vim.split(result.text, '\n', { plain = true })
    if lines[#lines] == '' then
      lines[#lines] = nil
    end
    M.scratch('namd://' .. job.jobId .. '/config', lines, 'namd', { split = 'vertical split' })
    vim.cmd('diffthis')
  end)
end

return M
