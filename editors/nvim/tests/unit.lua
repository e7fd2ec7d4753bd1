-- What is decided without a server.
local words = require('namdrunner.words')
local icons = require('namdrunner.config').get().icons

local function job(fields)
  return vim.tbl_extend('force', {
    jobId = 'water_01hx',
    jobName = 'water',
    cluster = 'hpc',
    configPath = '/x/a.namd',
    createdAt = '2026-01-01T00:00:00.000Z',
    updatedAt = '2026-01-01T00:00:00.000Z',
    status = 'CREATED',
    phase = 'staged',
    observed = { stale = false },
    resources = {},
    attempt = 0,
  }, fields)
end

test('times and sizes are for people', function()
  equal(words.clock(5), '0:05')
  equal(words.clock(3661), '1:01:01')
  equal(words.clock(90061), '1-01:01:01')
  equal(words.span(59), '59 s')
  equal(words.span(7500), '2 h 5 min')
  equal(words.span(200000), '2 d 7 h')
  equal(words.size(999), '999 B')
  equal(words.size(81920), '82 kB')
  equal(words.size(4240000), '4.2 MB')
  equal(words.time('1970-01-01T00:00:00Z'), 0)
  equal(words.time('2026-11-25T08:00:00.123Z'), 1795593600)
  equal(words.time('2000-02-29T12:00:00Z'), 951825600)
  equal(words.time('soon'), nil)
end)

test('a job is told in one line', function()
  equal(words.headline(job({}), icons), '○ CREATED')
  equal(
    words.headline(
      job({
        status = 'PENDING',
        phase = 'queued',
        reason = { code = 'Priority', text = 'Jobs with a higher priority come first.', class = 'willStart' },
      }),
      icons
    ),
    '◔ PENDING · Jobs with a higher priority come first'
  )
  equal(
    words.headline(
      job({
        status = 'RUNNING',
        phase = 'running',
        progress = { step = 450, totalSteps = 1000, nsPerDay = 12.344, etaSeconds = 7500 },
        observed = { stale = true },
      }),
      icons
    ),
    '● RUNNING · 45 % · 12.34 ns/day · ETA 2 h 5 min · not confirmed lately'
  )
  equal(
    words.headline(job({ status = 'RUNNING', phase = 'suspended', timeUsedSeconds = 60, timeLimitSeconds = 600 }), icons),
    '● RUNNING (suspended) · 1:00 of 10:00'
  )
  equal(
    words.headline(job({ status = 'FAILED', cause = { code = 'exitCode', text = 'It ended with exit code 3.' } }), icons),
    '✗ FAILED · It ended with exit code 3'
  )
  equal(words.headline(job({ status = 'DANCING' }), icons), '· DANCING', 'a word that is not known is shown')
end)

test('a bar is as full as it says', function()
  equal(words.bar(0, 4), '░░░░')
  equal(words.bar(0.5, 4), '██░░')
  equal(words.bar(1, 4), '████')
end)

test('configs are known by name and by content', function()
  local detect = require('namdrunner.detect')
  local config = { '# x', 'structure a.psf', 'coordinates=b.pdb', 'outputName o', 'run 10' }
  equal(detect.is_config(config), true)
  equal(detect.is_config({ 'server {', '  listen 80;', '}' }), false)
  equal(detect.is_config({ 'set x 1', 'run 10', 'temperature 300' }), false, 'nothing of NAMD\'s own')
  detect.register()
  local function filetype(name, lines)
    local buf = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_lines(buf, 0, -1, false, lines)
    local found = vim.filetype.match({ buf = buf, filename = name })
    vim.api.nvim_buf_delete(buf, { force = true })
    return found
  end
  equal(filetype('/x/a.namd', {}), 'namd')
  equal(filetype('/x/step4_equilibration.inp', config), 'namd')
  equal(filetype('/x/a.conf', config), 'namd')
  equal(filetype('/x/a.tcl', { 'puts hello' }), 'tcl')
end)

test('settings are checked, and what is wrong stays at its default', function()
  local config = require('namdrunner.config')
  equal(config.problems({ cmd = { 'x' }, notify = 'failures' }), {})
  equal(#config.problems({ cdm = {}, notify = 'loud', beside = 'yes', cmd = 'namdrunner' }), 4)
  vim.g.namdrunner = { beside = 'yes', notify = 'none' }
  equal(config.get().beside, true)
  equal(config.get().notify, 'none')
  vim.g.namdrunner = nil
end)

test('the line that runs something is found', function()
  local beside = require('namdrunner.beside')
  equal(beside.line_of({ 'structure a', '  minimize 100', 'run 10' }), 1)
  equal(beside.line_of({ 'structure a', '# run 10', 'runaway 1' }), 0)
end)

test('the list is grouped, aligned and keeps to its width', function()
  local render = require('namdrunner.queue_render')
  local jobs = {
    job({ jobId = 'b', jobName = 'β-hairpin with a very long name that does not fit', status = 'RUNNING', slurmJobId = '12', progress = { step = 5, totalSteps = 10 } }),
    job({ jobId = 'a', status = 'PENDING', slurmJobId = '11', reason = { text = 'Waits for its turn.' } }),
    job({ jobId = 'c', cluster = 'other', status = 'COMPLETED' }),
  }
  local clusters = {
    hpc = { name = 'hpc', health = 'ok' },
    lab = { name = 'lab', health = 'unavailable', reason = 'no route to host' },
  }
  for _, width in ipairs({ 80, 160 }) do
    local drawn = render.list(jobs, clusters, { width = width, icons = icons, now = words.time('2026-01-01T02:00:00Z') })
    for _, line in ipairs(drawn.lines) do
      assert(vim.fn.strdisplaywidth(line) <= width, line)
    end
    local text = table.concat(drawn.lines, '\n')
    assert(text:find('hpc  ok', 1, true), text)
    assert(text:find('● RUNNING (1)', 1, true), text)
    assert(text:find('█████░░░░░', 1, true), text)
    assert(text:find('2 h ago', 1, true), text)
    assert(text:find('no route to host', 1, true), text)
    local ids = vim.tbl_values(drawn.rows)
    table.sort(ids)
    equal(ids, { 'a', 'b', 'c' })
  end
  local one = render.list(jobs, clusters, { width = 80, filter = 'HAIRPIN', icons = icons, now = 0 })
  equal(vim.tbl_values(one.rows), { 'b' })
  equal(render.list({}, {}, { width = 80, icons = icons, now = 0 }).lines[1]:sub(1, 7), 'No jobs')
end)

test('2000 jobs are drawn without a visible wait', function()
  local render = require('namdrunner.queue_render')
  local jobs = {}
  for n = 1, 2000 do
    jobs[n] = job({ jobId = 'j' .. n, jobName = 'replica ' .. n, status = n % 3 == 0 and 'RUNNING' or 'PENDING', slurmJobId = tostring(n) })
  end
  local began = vim.uv.hrtime()
  local drawn = render.list(jobs, {}, { width = 120, icons = icons, now = 0 })
  local took = (vim.uv.hrtime() - began) / 1e6
  assert(#drawn.lines > 2000)
  assert(took < 500, ('took %d ms'):format(took))
end)

test('a diagnosis is told with its evidence and what to do', function()
  local lines = require('namdrunner.diagnosis').lines({
    cause = 'timeLimit',
    summary = 'The wall-clock limit ended it.',
    evidence = { { source = 'log', text = 'TIMING: 900', file = 'water.log', line = 7 } },
    advice = { { code = 'walltime', text = 'Ask for 06:00:00.', safeToRepeat = false } },
  })
  local text = table.concat(lines, '\n')
  assert(text:find('log (water.log:7): TIMING: 900', 1, true), text)
  assert(text:find('Ask for 06:00:00. (a plain repetition would fail again)', 1, true), text)
end)

test('an end is told once, and a burst in one message', function()
  local notify = require('namdrunner.notify')
  local said = {}
  local before = vim.notify
  vim.notify = function(message)
    said[#said + 1] = message
  end
  notify.take(job({ status = 'COMPLETED' }), 'RUNNING')
  notify.take(job({ status = 'COMPLETED' }), 'COMPLETED')
  notify.take(job({ status = 'COMPLETED' }), nil)
  wait_for('the message', function()
    return #said == 1
  end, 5000)
  assert(said[1]:find('water', 1, true), said[1])
  for _ = 1, 10 do
    notify.take(job({ status = 'FAILED' }), 'RUNNING')
  end
  wait_for('the second message', function()
    return #said == 2
  end, 5000)
  assert(said[2]:find('10 jobs ended', 1, true), said[2])
  vim.notify = before
end)

test('subcommands and their arguments are completed', function()
  local command = require('namdrunner.command')
  equal(command.complete('su', 'Namd su'), { 'submit' })
  require('namdrunner.jobs').fill({ storeId = 's', seq = 1, jobs = { job({ jobId = 'water_1' }), job({ jobId = 'box_2' }) } })
  equal(command.complete('w', 'Namd cancel w'), { 'water_1' })
  equal(command.complete('', 'Namd jobs '), {})
  require('namdrunner.jobs').clear()
end)

test('prompts are answered, and a changed key is never accepted', function()
  local prompt = require('namdrunner.prompt')
  local secret, input, select = vim.fn.inputsecret, vim.ui.input, vim.ui.select
  local asked = {}
  vim.fn.inputsecret = function(opts)
    asked[#asked + 1] = opts.prompt
    return 'hunter2'
  end
  vim.ui.input = function(opts, done)
    asked[#asked + 1] = opts.prompt
    vim.schedule(function()
      done('1')
    end)
  end
  vim.ui.select = function(items, _, done)
    vim.schedule(function()
      done(items[2], 2)
    end)
  end
  local function run(handler, params)
    local result, finished
    coroutine.wrap(function()
      result = handler(params)
      finished = true
    end)()
    wait_for('the answer', function()
      return finished
    end, 5000)
    return result
  end
  equal(
    run(prompt.auth, {
      cluster = 'hpc',
      host = 'login',
      user = 'ada',
      instructions = 'Duo two-factor login',
      prompts = { { text = 'Password: ', echo = false }, { text = 'Option: ', echo = true } },
    }),
    { answers = { 'hunter2', '1' } }
  )
  assert(asked[1]:find('ada@login', 1, true) and asked[1]:find('Duo', 1, true), asked[1])
  local key = { cluster = 'hpc', host = 'login', port = 22, algorithm = 'ed25519', fingerprint = 'SHA256:x' }
  equal(run(prompt.host_key, vim.tbl_extend('force', key, { state = 'new' })), { accept = true })
  local before, said = vim.notify, nil
  vim.notify = function(message)
    said = message
  end
  equal(run(prompt.host_key, vim.tbl_extend('force', key, { state = 'changed' })), { accept = false })
  vim.notify = before
  assert(said and said:find('has changed', 1, true), said)
  vim.fn.inputsecret, vim.ui.input, vim.ui.select = secret, input, select
end)

test('the highlighted keywords are those of NAMD', function()
  local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
  local path = here .. '/../syntax/namd.vim'
  local names = {}
  for line in io.lines(here .. '/../../../src/namd/keywords.tsv') do
    local name = not line:match('^#') and line:match('^([^\t]+)\t')
    if name then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  local lines, current = {}, 'syn keyword namdKeyword'
  for _, name in ipairs(names) do
    if #current + #name > 98 then
      lines[#lines + 1] = current
      current = 'syn keyword namdKeyword'
    end
    current = current .. ' ' .. name
  end
  lines[#lines + 1] = current
  local file = assert(io.open(path))
  local text = file:read('*a')
  file:close()
  local before, after = text:match('^(.*" generated: keywords\n).-(" end: keywords.*)$')
  local expected = before .. table.concat(lines, '\n') .. '\n' .. after
  if vim.env.NAMDRUNNER_UPDATE then
    file = assert(io.open(path, 'w'))
    file:write(expected)
    file:close()
  else
    equal(text, expected, 'syntax/namd.vim is stale; run the tests once with NAMDRUNNER_UPDATE=1')
  end
  assert(#names > 600)
end)

test('a config is highlighted', function()
  vim.cmd('enew')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, {
    '# water',
    'structure  $common/a.psf ;# the system',
    '1-4scaling 1.0',
    'run 100',
  })
  vim.bo.filetype = 'namd'
  vim.cmd('syntax enable | set syntax=namd')
  local function group(line, column)
    return vim.fn.synIDattr(vim.fn.synID(line, column, 1), 'name')
  end
  equal(group(1, 3), 'namdComment')
  equal(group(2, 1), 'namdKeyword')
  equal(group(2, 12), 'namdVariable')
  equal(group(2, 28), 'namdComment')
  equal(group(3, 1), 'namdKeyword')
  equal(group(3, 12), 'namdNumber')
  equal(group(4, 1), 'namdRun')
  vim.cmd('bwipeout!')
end)

test('nothing but the plugin file is loaded until it is needed', function()
  local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
  local log = vim.fn.tempname()
  local done = vim.system({
    vim.v.progpath, '--headless', '--clean', '--startuptime', log,
    '--cmd', 'set runtimepath^=' .. vim.fs.dirname(here),
    '+lua for name in pairs(package.loaded) do assert(not name:match("namdrunner"), name) end',
    '+qall',
  }, { text = true }):wait(20000)
  equal({ done.code, vim.trim(done.stderr or '') }, { 0, '' })
  local cost = 0
  for line in io.lines(log) do
    local own = line:match('^%S+%s+%S+%s+(%S+): sourcing .*/editors/nvim/')
    if own then
      cost = math.max(cost, tonumber(own))
    end
  end
  -- Milliseconds; loose, since machines that test are slow.
  assert(cost > 0 and cost < 5, ('start-up costs %.3f ms'):format(cost))
  io.stdout:write(('         start-up costs %.3f ms\n'):format(cost))
end)

test('the help has its tags', function()
  local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
  local copy = vim.fn.tempname()
  vim.fn.mkdir(copy, 'p')
  vim.uv.fs_copyfile(vim.fs.dirname(here) .. '/doc/namdrunner.txt', copy .. '/namdrunner.txt')
  vim.cmd('helptags ' .. vim.fn.fnameescape(copy))
  local tags = table.concat(vim.fn.readfile(copy .. '/tags'), '\n')
  for _, tag in ipairs({ ':Namd', 'namdrunner-settings', 'NamdJobChanged' }) do
    assert(tags:find(tag, 1, true), tag)
  end
  -- Each subcommand is explained.
  local help = table.concat(vim.fn.readfile(copy .. '/namdrunner.txt'), '\n')
  for name in pairs(require('namdrunner.command').subcommands) do
    assert(help:find(':Namd ' .. name, 1, true), name)
  end
end)
