-- Runs the tests in this Neovim: nvim -u NONE -i NONE -l tests/run.lua [FILTER]
--
--   NAMDRUNNER_TEST_BINARY  the server; flow tests are left out without it
--   NRT_SSH_PORT and the like  the test cluster (tests/cluster); its tests are left out without it
--
-- The last line is `N passed, N failed[, N skipped]`.
local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
local root = vim.fs.dirname(here)
vim.opt.runtimepath:prepend(root)
package.path = here .. '/?.lua;' .. package.path
vim.cmd('filetype plugin on | syntax on')
vim.cmd('source ' .. vim.fn.fnameescape(root .. '/plugin/namdrunner.lua'))
vim.o.swapfile = false

local filter = arg[1]
local passed, failed, skipped = 0, 0, 0

--- A test; `needs` names a variable of the environment without which it is left out.
function _G.test(name, needs, run)
  if type(needs) == 'function' then
    needs, run = nil, needs
  end
  if filter and not name:find(filter, 1, true) then
    return
  end
  if needs and not vim.env[needs] then
    skipped = skipped + 1
    io.stdout:write(('skipped  %s (needs %s)\n'):format(name, needs))
    return
  end
  local began = vim.uv.hrtime()
  local ok, why = xpcall(run, debug.traceback)
  local took = (vim.uv.hrtime() - began) / 1e6
  if ok then
    passed = passed + 1
    io.stdout:write(('ok       %s (%d ms)\n'):format(name, took))
  else
    failed = failed + 1
    io.stdout:write(('FAILED   %s\n%s\n'):format(name, why))
  end
  io.stdout:flush()
end

--- Fails unless two values are equal.
function _G.equal(got, expected, what)
  if not vim.deep_equal(got, expected) then
    error(
      ('%s\n  got      %s\n  expected %s'):format(what or 'not equal', vim.inspect(got), vim.inspect(expected)),
      2
    )
  end
end

--- Waits until something is so.
function _G.wait_for(what, condition, patience)
  local value
  local done = vim.wait(patience or 60000, function()
    value = condition()
    return value
  end, 10)
  if not done then
    error(('waited in vain for %s; said so far: %s'):format(what, vim.inspect(require('site').said)), 2)
  end
  return value
end

for _, name in ipairs({ 'unit', 'transcripts', 'flow', 'cluster' }) do
  dofile(here .. '/' .. name .. '.lua')
end

local client = require('namdrunner.client')
local ended = false
client.stop(function()
  ended = true
end)
vim.wait(5000, function()
  return ended
end)
io.stdout:write(('\n%d passed, %d failed%s\n'):format(passed, failed, skipped > 0 and (', %d skipped'):format(skipped) or ''))
os.exit(failed == 0 and 0 or 1)
