-- Homes and simulations for tests, and a Neovim that uses them.
local M = { said = {} }

local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
local top = vim.fs.normalize(here .. '/../../..')

local function write(path, text)
  vim.fn.mkdir(vim.fs.dirname(path), 'p')
  local file = assert(io.open(path, 'wb'))
  file:write(text)
  file:close()
end

local function copy(from, to)
  local file = assert(io.open(from, 'rb'))
  local text = file:read('*a')
  file:close()
  write(to, text)
end

--- Lays out the demo's water box and a config.toml; gives the directory.
---@param toml string with %s for the directory
function M.new(toml)
  local dir = vim.fn.resolve(vim.fn.tempname())
  vim.fn.mkdir(dir, 'p')
  local demo = top .. '/src/cli/demo'
  for _, name in ipairs({ 'water.psf', 'water.pdb', 'tip3p.prm' }) do
    copy(demo .. '/water/common/' .. name, dir .. '/water/common/' .. name)
  end
  copy(demo .. '/water/equil/water.namd', dir .. '/water/equil/water.namd')
  copy(demo .. '/namd-stand-in', dir .. '/water/equil/namd-stand-in')
  for name in vim.fs.dir(top .. '/tests/demo') do
    if name:match('%.namd$') or name:match('%.tcl$') then
      copy(top .. '/tests/demo/' .. name, dir .. '/water/equil/' .. name)
    end
  end
  write(
    dir .. '/water/equil/quick.namd',
    '# namd-stand-in: seconds-per-1000-steps 0.1\nsource short.tcl\nsource cell.tcl\nparameters $common/tip3p.prm\noutputName quick\nrun 200\n'
  )
  write(dir .. '/home/config/config.toml', (toml:gsub('@DIR@', dir)))
  return dir
end

--- This machine, without a batch system.
M.LOCAL = [[
default_cluster = "local"
[clusters.local]
scheduler = "direct"
project_root = "@DIR@/projects"
scratch_root = "@DIR@/scratch"
launch = "sh @DIR@/water/equil/namd-stand-in +p1 {config} > {log} 2>&1"
sync_interval = 1
]]

--- The test cluster, as tests/cluster/up.sh tells it.
function M.cluster_toml(own)
  -- Where the test user can read it.
  local stand_in = ('%s/%s-namd-stand-in'):format(vim.env.NRT_HOME, own)
  copy(top .. '/src/cli/demo/namd-stand-in', stand_in)
  return ([[
default_cluster = "test"
[clusters.test]
host = "127.0.0.1"
port = %s
user = "%s"
identity_files = ["%s"]
known_hosts = ["%s"]
scheduler = "slurm"
project_root = "%s/%s"
scratch_root = "%s/%s"
launch = "sh %s +p1 {config} > {log} 2>&1"
sync_interval = 1
[clusters.test.resources]
ntasks = 1
walltime = "5m"
memory = "100M"
]]):format(
    vim.env.NRT_SSH_PORT,
    vim.env.NRT_SSH_USER,
    vim.env.NRT_SSH_KEY,
    vim.env.NRT_KNOWN_HOSTS,
    vim.env.NRT_PROJECT_ROOT,
    own,
    vim.env.NRT_SCRATCH_ROOT,
    own,
    stand_in
  )
end

--- A config in a site's folder whose run dies of a setting; gives its path and that setting's line,
--- from 0.
function M.conflict(dir)
  local path = dir .. '/water/equil/conflict.namd'
  local lines = vim.fn.readfile(dir .. '/water/equil/water.namd')
  table.insert(lines, 1, '# namd-stand-in: fatal pairlistDist must be >= cutoff at 20')
  vim.fn.writefile(lines, path)
  for number, line in ipairs(lines) do
    if line:match('^pairlistDist') then
      return path, number - 1
    end
  end
  error('water.namd has no pairlistDist')
end

--- Lets this Neovim use a server of the tests' own, or none that works.
---@param cmd string[]
function M.use_program(cmd)
  local client = require('namdrunner.client')
  local ended = false
  client.stop(function()
    ended = true
  end)
  wait_for('the end of the server before', function()
    return ended
  end)
  client.missing, client.refused = nil, nil
  vim.g.namdrunner = { cmd = cmd }
end

--- Lets this Neovim use a home from now on; `answers` are the indices vim.ui.select is answered with.
function M.use(dir)
  local client = require('namdrunner.client')
  local ended = false
  client.stop(function()
    ended = true
  end)
  wait_for('the end of the server before', function()
    return ended
  end)
  vim.env.NAMDRUNNER_HOME = dir .. '/home'
  -- No server is left in the background.
  vim.env.NAMDRUNNER_LINGER = '0s'
  vim.env.NAMDRUNNER_MIN_SYNC_SECONDS = '1'
  client.missing, client.refused = nil, nil
  vim.g.namdrunner = { cmd = { vim.env.NAMDRUNNER_TEST_BINARY } }
end

local asking = top .. '/editors/asking-sshd.sh'

--- An sshd that asks for a password and a code; gives its port and what ends it.
function M.asking_sshd(dir)
  local folder, port = dir .. '/sshd', nil
  vim.fn.mkdir(folder, 'p')
  local errors = {}
  local process = vim.system({ asking, folder }, {
    stdin = true,
    stdout = function(_, data)
      port = port or data and data:match('%d+')
    end,
    stderr = function(_, data)
      errors[#errors + 1] = data
    end,
  })
  wait_for('an sshd that asks', function()
    return port or process:is_closing() and error(table.concat(errors))
  end)
  return port, function()
    process:write(nil)
    process:wait(10000)
  end
end

--- The one-time code of now.
function M.code()
  return vim.trim(vim.system({ asking, 'code' }, { text = true }):wait().stdout)
end

--- Collects what is said to the person, until `stop` is called.
function M.listen()
  local said, before = {}, vim.notify
  vim.notify = function(message)
    said[#said + 1] = message
  end
  M.said = said
  return said, function()
    vim.notify = before
  end
end

--- Answers vim.ui.select with these indices, in order.
function M.answer(indices)
  local before, asked = vim.ui.select, {}
  vim.ui.select = function(items, opts, done)
    asked[#asked + 1] = opts.prompt
    local index = table.remove(indices, 1)
    vim.schedule(function()
      done(items[index], index)
    end)
  end
  return asked, function()
    vim.ui.select = before
  end
end

return M
