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

  vim.cmd.edit(dir .. '/water/equil/lingers.namd')
  vim.cmd('Namd! create')
  wait_for('RUNNING', function()
    local job = job_here()
    return job and job.status == 'RUNNING'
  end)
  vim.api.nvim_buf_set_lines(0, 0, 0, false, { '# another line' })
  wait_for('the remark', function()
    return vim.tbl_contains(vim.tbl_map(function(one)
      return one.code
    end, vim.diagnostic.get(0)), 'changedSinceCreated')
  end)
  vim.cmd('edit!')
  vim.cmd('Namd! cancel')
  wait_for('CANCELLED', function()
    return job_here().status == 'CANCELLED'
  end)
  quiet()
end)

test('why a job failed stands at the line of the config, until that is mended', 'NAMDRUNNER_TEST_BINARY', function()
  local dir = site.new(site.LOCAL)
  site.use(dir)
  local _, quiet = site.listen()
  local path, line = site.conflict(dir)
  vim.cmd.edit(path)
  vim.cmd('Namd! create')
  local function marks()
    return vim.tbl_filter(function(one)
      return one.code == 'settingsConflict'
    end, vim.diagnostic.get(0))
  end
  local mark = wait_for('the diagnosis', function()
    return marks()[1]
  end)
  equal(mark.lnum, line)
  assert(mark.message:find('pairlistDist must be >= cutoff', 1, true), mark.message)
  -- As a page, too.
  vim.cmd('Namd diagnose')
  wait_for('the page', function()
    return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n'):find('FATAL ERROR: pairlistDist', 1, true)
  end)
  vim.cmd('close')
  vim.api.nvim_buf_set_lines(0, line, line + 1, false, { 'pairlistDist 12' })
  vim.cmd('silent write')
  wait_for('its end', function()
    return #marks() == 0
  end)
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
  local killed = 0
  for _, pid in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do
    if vim.api.nvim_get_proc(pid).name == 'namdrunner' then
      assert(vim.uv.kill(pid, 'sigkill'))
      killed = killed + 1
    end
  end
  assert(killed > 0)
  wait_for('another server', function()
    local client = require('namdrunner.client').get()
    return client and client.id ~= first.id
  end)
  wait_for('the job again', function()
    local again = job_here()
    return again and again.jobId == job.jobId and words.ended(again.status)
  end)
  assert(vim.tbl_contains(said, 'The NAMDRunner server ended unexpectedly; it is started again.'), vim.inspect(said))
  quiet()
end)

test('a server that cannot stay is not started for ever', 'NAMDRUNNER_TEST_BINARY', function()
  local said, quiet = site.listen()
  site.use_program({ 'false' })
  vim.cmd.edit(vim.fn.tempname() .. '.namd')
  local last = wait_for('the last word', function()
    for _, message in ipairs(said) do
      if message:find('is not started again', 1, true) then
        return message
      end
    end
  end)
  assert(last:find(':Namd restart', 1, true), last)
  equal(require('namdrunner.client').get(), nil)
  quiet()
end)

test('a server of another protocol is refused, with what to do', function()
  local said, quiet = site.listen()
  local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
  site.use_program({ vim.v.progpath, '-u', 'NONE', '-i', 'NONE', '-l', here .. '/old-server.lua' })
  vim.cmd.edit(vim.fn.tempname() .. '.namd')
  wait_for('the message', function()
    return said[1]
  end)
  assert(said[1]:find('protocol 2', 1, true) and said[1]:find('9.0.0', 1, true), said[1])
  wait_for('its end', function()
    return not require('namdrunner.client').get()
  end)
  local answer
  require('namdrunner').request('listJobs', {}, function(error)
    answer = error
  end)
  assert(answer and answer.message:find('protocol 2', 1, true), vim.inspect(answer))
  equal(#said, 1)
  quiet()
end)

test('nothing waits for the server: with 2,000 jobs and no answer each key takes under 50 ms', function()
  local _, quiet = site.listen()
  site.use_program({ 'sleep', '1000' })
  local jobs = require('namdrunner.jobs')
  local path = vim.fn.resolve(vim.fn.tempname()) .. '.namd'
  local list = {}
  for n = 1, 2000 do
    list[n] = {
      jobId = 'job_' .. n,
      jobName = 'replica ' .. n,
      cluster = 'hpc',
      configPath = n == 1 and path or '/x/' .. n,
      createdAt = '2026-01-01T00:00:00.000Z',
      updatedAt = '2026-01-01T00:00:00.000Z',
      status = n % 3 == 0 and 'RUNNING' or 'PENDING',
      phase = 'queued',
      attempt = 1,
    }
  end
  vim.cmd.edit(path)
  jobs.fill({ storeId = 's', seq = 1, jobs = list })
  local slowest, which = 0, ''
  local function measure(what, run)
    -- The best of three: other programs want this machine, too.
    local best = math.huge
    for _ = 1, 3 do
      local began = vim.uv.hrtime()
      run()
      best = math.min(best, (vim.uv.hrtime() - began) / 1e6)
    end
    if best > slowest then
      slowest, which = best, what
    end
  end
  local function keys(what)
    measure('keys ' .. what, function()
      vim.api.nvim_feedkeys(vim.keycode(what), 'xt', false)
    end)
  end
  keys('irun 100<CR><Esc>')
  keys('yyp')
  keys('dd')
  measure('the status line', function()
    require('namdrunner').statusline()
  end)
  measure('a change', function()
    jobs.changed({ seq = 2, jobId = 'job_1', job = list[1], from = 'PENDING', to = 'RUNNING' })
  end)
  for name in pairs(require('namdrunner.command').subcommands) do
    if name ~= 'restart' then
      measure(':Namd ' .. name, function()
        vim.cmd('Namd ' .. name)
      end)
    end
  end
  measure('completion', function()
    vim.fn.getcompletion('Namd cancel job_1', 'cmdline')
  end)
  vim.cmd('Namd jobs')
  assert(#vim.api.nvim_buf_get_lines(0, 0, -1, false) > 2000)
  for _, what in ipairs({ 'j', 'G', 'gg', '?', 'l', 'd', 's', '<CR>' }) do
    keys(what)
  end
  measure('a change in the list', function()
    jobs.changed({ seq = 3, jobId = 'job_2', job = list[2], from = 'PENDING', to = 'RUNNING' })
    vim.cmd('redraw')
  end)
  vim.cmd('close')
  quiet()
  jobs.clear()
  assert(slowest < 50, ('%s takes %.1f ms'):format(which, slowest))
  io.stdout:write(('         the slowest is %s with %.1f ms\n'):format(which, slowest))
  -- What never answers does not hold up another start, either.
  site.use_program({ 'false' })
end)

test(':checkhealth says what is right and what is wrong', 'NAMDRUNNER_TEST_BINARY', function()
  local function report()
    vim.cmd('checkhealth namdrunner')
    local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n')
    vim.cmd('bwipeout!')
    return text
  end
  local _, quiet = site.listen()
  site.use(site.new(site.LOCAL))
  local good = report()
  for _, text in ipairs({ 'settings', vim.env.NAMDRUNNER_TEST_BINARY, '.namd files are known', 'local (direct): ' }) do
    assert(good:find(text, 1, true), good)
  end
  assert(not good:find('ERROR', 1, true), good)
  vim.g.namdrunner = { cmd = { vim.env.NAMDRUNNER_TEST_BINARY }, notify = 'loud' }
  assert(report():find("ERROR vim.g.namdrunner.notify must be 'all'", 1, true))
  site.use_program({ '/no/such/namdrunner' })
  local missing = report()
  assert(missing:find('ERROR /no/such/namdrunner was not found', 1, true), missing)
  assert(missing:find('cargo install', 1, true), missing)
  site.use_program({ 'false' })
  assert(report():find('it is another program', 1, true))
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
