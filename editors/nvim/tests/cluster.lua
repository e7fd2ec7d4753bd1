-- The same over a real sshd against a real Slurm.
local site = require('site')

local function job_here()
  return require('namdrunner').job()
end

local function place()
  return site.new(site.cluster_toml('nvim' .. vim.uv.os_getpid() .. '_' .. vim.uv.hrtime()))
end

test('PENDING, RUNNING and COMPLETED on Slurm are seen as they happen', 'NRT_SSH_PORT', function()
  local dir = place()
  site.use(dir)
  local _, quiet = site.listen()
  vim.cmd.edit(dir .. '/water/equil/water.namd')
  local seen = {}
  local watcher = vim.api.nvim_create_autocmd('User', {
    pattern = 'NamdJobChanged',
    callback = function(event)
      if seen[#seen] ~= event.data.job.status then
        seen[#seen + 1] = event.data.job.status
      end
    end,
  })
  vim.cmd('Namd! create')
  wait_for('COMPLETED', function()
    local job = job_here()
    return job and job.status == 'COMPLETED'
  end)
  vim.api.nvim_del_autocmd(watcher)
  equal(seen, { 'CREATED', 'PENDING', 'RUNNING', 'COMPLETED' })
  quiet()
end)

test('a failing job says why', 'NRT_SSH_PORT', function()
  local dir = place()
  site.use(dir)
  local said, quiet = site.listen()
  vim.cmd.edit(dir .. '/water/equil/exits.namd')
  vim.cmd('Namd! create')
  wait_for('FAILED', function()
    local job = job_here()
    return job and job.status == 'FAILED'
  end)
  wait_for('the message', function()
    return vim.tbl_contains(said, function(message)
      return message:find('FAILED', 1, true) ~= nil
    end, { predicate = true })
  end)
  local beside = require('namdrunner.beside').text(0)
  assert(beside:find('✗ FAILED', 1, true), beside)
  quiet()
end)
