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
  local said, quiet = site.listen()
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

  -- Its log and its results come over the wire.
  vim.cmd('Namd log')
  wait_for('the log', function()
    return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n'):find('WallClock:', 1, true)
  end)
  equal(vim.api.nvim_win_get_cursor(0)[1], vim.api.nvim_buf_line_count(0), 'the end of the log is looked at')
  vim.cmd('close')
  vim.cmd('Namd download')
  local told = wait_for('the files', function()
    for _, message in ipairs(said) do
      if message:find(' files of water are here: ', 1, true) then
        return message
      end
    end
  end)
  local to = told:match('are here: (.*)$')
  local coordinates = vim.fs.find('water_equil.coor', { path = to })[1]
  assert(coordinates and vim.uv.fs_stat(coordinates).size > 0, to)
  quiet()
end)

test('a login asks for a password and a code, and the job goes to Slurm', 'NRT_SSH_PORT', function()
  local dir = place()
  local port, close = site.asking_sshd(dir)
  local toml = dir .. '/home/config/config.toml'
  local text = table.concat(vim.fn.readfile(toml), '\n')
  text = text:gsub('port = %d+', 'port = ' .. port):gsub('identity_files = .-\n', 'ssh_config = "none"\n')
  text = text:gsub('known_hosts = .-\n', ('known_hosts = ["%s/known_hosts"]\n'):format(dir))
  vim.fn.writefile(vim.split(text, '\n'), toml)
  site.use(dir)
  local said, quiet = site.listen()
  vim.g.namdrunner_can_prompt = true
  local agent = vim.env.SSH_AUTH_SOCK
  vim.env.SSH_AUTH_SOCK = nil
  local questions, secret = {}, vim.fn.inputsecret
  vim.fn.inputsecret = function(opts)
    questions[#questions + 1] = opts.prompt
    if opts.prompt:find('Password:', 1, true) then
      return 'planted-Sesam-4711'
    end
    return site.code()
  end
  -- Is it the right key? Yes.
  local asked, done = site.answer({ 2 })
  vim.cmd.edit(dir .. '/water/equil/water.namd')
  vim.cmd('Namd connect test')
  wait_for('the login', function()
    return vim.tbl_contains(said, 'Connected to test.')
  end)
  done()
  vim.fn.inputsecret, vim.g.namdrunner_can_prompt, vim.env.SSH_AUTH_SOCK = secret, nil, agent
  assert(#asked == 1 and asked[1]:find('SHA256:', 1, true), vim.inspect(asked))
  equal(#questions, 2, vim.inspect(questions))
  assert(questions[1]:find(vim.env.NRT_SSH_USER .. '@127.0.0.1', 1, true), questions[1])
  assert(questions[2]:find('Verification code', 1, true), questions[2])
  vim.cmd('Namd! create')
  wait_for('RUNNING', function()
    local job = job_here()
    return job and (job.status == 'RUNNING' or job.status == 'COMPLETED') and job.slurmJobId
  end)
  vim.cmd('Namd! cancel')
  wait_for('its end', function()
    return require('namdrunner.words').ended(job_here().status)
  end)
  quiet()
  site.use_program({ 'false' })
  close()
end)

test('a failing job says why, at the line of the config', 'NRT_SSH_PORT', function()
  local dir = place()
  site.use(dir)
  local said, quiet = site.listen()
  local path, line = site.conflict(dir)
  vim.cmd.edit(path)
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
  local mark = wait_for('the diagnosis', function()
    for _, one in ipairs(vim.diagnostic.get(0)) do
      if one.code == 'settingsConflict' then
        return one
      end
    end
  end)
  equal(mark.lnum, line)
  quiet()
end)
