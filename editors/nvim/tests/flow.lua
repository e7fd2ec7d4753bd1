-- A person's way through it, with the real server and this machine as the cluster.
local site = require('site')
local words = require('namdrunner.words')

local function job_here()
  return require('namdrunner').job()
end

test('a config becomes a finished job, and all of it is seen beside the config', 'NAMDRUNNER_TEST_BINARY', function()
  local dir = site.new(site.LOCAL)
  site.use(dir)
  local said, quiet = site.listen()
  vim.cmd.edit(dir .. '/water/equil/quick.namd')
  equal(vim.bo.filetype, 'namd')
  wait_for('the client', function()
    return require('namdrunner.client').get()
  end)
  local seen, changes = {}, 0
  local watcher = vim.api.nvim_create_autocmd('User', {
    pattern = 'NamdJobChanged',
    callback = function(event)
      changes = changes + 1
      seen[#seen + 1] = event.data.job.status
    end,
  })
  -- One cluster: only what to do is asked.
  local asked, done = site.answer({ 1 })
  vim.cmd('Namd create')
  local job = wait_for('the job', job_here)
  done()
  equal(#asked, 1)
  assert(asked[1]:find('quick.namd on local', 1, true), asked[1])
  wait_for('COMPLETED', function()
    local now = job_here()
    return now and now.status == 'COMPLETED'
  end)
  local beside = require('namdrunner.beside').text(0)
  assert(beside:find('✓ COMPLETED', 1, true), beside)
  wait_for('the lens', function()
    for _, lens in ipairs(vim.lsp.codelens.get(0)) do
      if lens.command and lens.command.title:find('COMPLETED', 1, true) then
        return true
      end
    end
    vim.lsp.codelens.refresh({ bufnr = 0 })
  end)
  wait_for('the message about its end', function()
    return vim.tbl_contains(said, function(message)
      return message:find('COMPLETED', 1, true) ~= nil
    end, { predicate = true })
  end, 5000)
  assert(vim.tbl_contains(seen, 'PENDING') and changes > 2, vim.inspect(seen))
  assert(require('namdrunner').statusline():find('COMPLETED', 1, true))
  vim.api.nvim_del_autocmd(watcher)

  -- The list and the page.
  vim.cmd('Namd jobs')
  wait_for('the list', function()
    return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n'):find('quick', 1, true)
  end)
  vim.cmd('close')
  vim.cmd('Namd show ' .. job.jobId)
  wait_for('the page', function()
    local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n')
    return text:find('## History', 1, true) and text:find('COMPLETED', 1, true)
  end)
  vim.cmd('close')
  quiet()
end)

test('findings are diagnostics, and a changed file says so', 'NAMDRUNNER_TEST_BINARY', function()
  local dir = site.new(site.LOCAL)
  site.use(dir)
  local _, quiet = site.listen()
  local path = dir .. '/water/equil/broken.namd'
  vim.cmd.edit(path)
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'structure nowhere.psf', 'outputName o', 'run 20' })
  vim.cmd('silent write')
  local found = wait_for('the diagnostics', function()
    local found = vim.diagnostic.get(0)
    return #found > 0 and found
  end)
  local missing = vim.tbl_filter(function(one)
    return one.code == 'inputMissing'
  end, found)[1]
  equal({ missing.lnum, missing.col }, { 0, 10 })
  quiet()
end)

test('a job is cancelled', 'NAMDRUNNER_TEST_BINARY', function()
  local dir = site.new(site.LOCAL)
  site.use(dir)
  local _, quiet = site.listen()
  vim.cmd.edit(dir .. '/water/equil/lingers.namd')
  vim.cmd('Namd! create')
  wait_for('RUNNING', function()
    local job = job_here()
    return job and job.status == 'RUNNING'
  end)
  vim.cmd('Namd! cancel')
  wait_for('CANCELLED', function()
    return job_here().status == 'CANCELLED'
  end)
  quiet()
end)

test('the server is killed, comes back, and knows its jobs', 'NAMDRUNNER_TEST_BINARY', function()
  local dir = site.new(site.LOCAL)
  site.use(dir)
  local said, quiet = site.listen()
  vim.cmd.edit(dir .. '/water/equil/quick.namd')
  vim.cmd('Namd! create')
  local job = wait_for('the job', job_here)
  local first = require('namdrunner.client').get()
  first.rpc.terminate()
  wait_for('another server', function()
    local client = require('namdrunner.client').get()
    return client and client.id ~= first.id
  end)
  wait_for('the job again', function()
    local again = job_here()
    return again and again.jobId == job.jobId and words.ended(again.status)
  end)
  assert(#said > 0)
  quiet()
end)

test('a missing server is said once, with what to do', function()
  local client = require('namdrunner.client')
  local ended = false
  client.stop(function()
    ended = true
  end)
  wait_for('the end', function()
    return ended
  end)
  vim.g.namdrunner = { cmd = { '/no/such/namdrunner' } }
  client.missing = nil
  local said, quiet = site.listen()
  for n = 1, 3 do
    vim.cmd.edit(vim.fn.tempname() .. n .. '.namd')
  end
  quiet()
  equal(#said, 1, vim.inspect(said))
  assert(said[1]:find('cargo install', 1, true), said[1])
end)
