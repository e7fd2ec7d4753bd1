--- `:checkhealth namdrunner`
local M = {}

local function version_of(program)
  local done = vim.system({ program, '--version' }, { text = true }):wait(5000)
  return done.code == 0 and vim.trim(done.stdout) or nil
end

function M.check()
  local health = vim.health
  health.start('namdrunner')
  if vim.fn.has('nvim-0.10') == 1 then
    health.ok('Neovim ' .. tostring(vim.version()))
  else
    health.error('Neovim 0.10 or newer is needed', { 'Update Neovim.' })
    return
  end
  local config = require('namdrunner.config')
  local problems = config.problems(config.given())
  for _, problem in ipairs(problems) do
    health.error(problem, { ':help namdrunner-settings' })
  end
  if #problems == 0 then
    health.ok('settings')
  end
  local program = config.get().cmd[1]
  if vim.fn.executable(program) ~= 1 then
    health.error(('%s was not found'):format(program), {
      'cargo install --path . in a checkout of NAMDRunner, with ~/.cargo/bin on the PATH',
      'or vim.g.namdrunner = { cmd = { "/path/to/namdrunner" } }',
    })
    return
  end
  local version = version_of(program)
  if version then
    health.ok(('%s: %s'):format(vim.fn.exepath(program), version))
  else
    health.error(('%s --version failed: it is another program, or for another machine'):format(program))
    return
  end
  require('namdrunner.detect').register()
  if vim.filetype.match({ filename = 'x.namd' }) == 'namd' then
    health.ok('.namd files are known')
  else
    health.error('.namd files are not known as NAMD configs', { 'Is the plugin on the runtimepath?' })
  end
  if vim.env.SSH_AUTH_SOCK and vim.uv.fs_stat(vim.env.SSH_AUTH_SOCK) then
    health.ok('an ssh agent is there')
  else
    health.info('no ssh agent: keys come from files, passphrases are asked for')
  end

  health.start('namdrunner: server')
  local client = require('namdrunner.client')
  local answer
  client.request('listClusters', {}, function(error, result)
    answer = { error, result }
  end)
  vim.wait(5000, function()
    return answer ~= nil
  end, 20)
  if not answer then
    health.error('The server does not answer.', { ':LspLog, and ' .. program .. ' doctor in a terminal' })
    return
  end
  if answer[1] then
    health.error(client.explain(answer[1]))
    return
  end
  for _, cluster in ipairs(answer[2].clusters) do
    local said = ('%s (%s): %s%s'):format(
      cluster.name,
      cluster.scheduler,
      cluster.health,
      cluster.reason and ', ' .. cluster.reason or ''
    )
    if cluster.health == 'unavailable' or cluster.health == 'authRequired' then
      health.warn(said, { ':Namd doctor ' .. cluster.name })
    else
      health.ok(said)
    end
  end
end

return M
