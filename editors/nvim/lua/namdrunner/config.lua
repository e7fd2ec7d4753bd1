--- The settings: `vim.g.namdrunner`, a table or a function that gives one. No setup call is needed.
local M = {}

---@class namdrunner.Config
---@field cmd string[] How the server is started.
---@field beside boolean The job beside its config: a sign and a text at its `run` line.
---@field codelens boolean The server's lenses above a config.
---@field sign boolean The sign of that.
---@field notify 'all'|'failures'|'none' Which ends of jobs are told.
---@field progress boolean `$/progress` in the echo area, where no plugin shows it.
---@field icons table<string, string> One character for each status.
local defaults = {
  cmd = { 'namdrunner' },
  beside = true,
  codelens = true,
  sign = true,
  notify = 'all',
  progress = true,
  icons = {
    CREATED = '○',
    PENDING = '◔',
    RUNNING = '●',
    COMPLETED = '✓',
    FAILED = '✗',
    CANCELLED = '⊘',
    UNKNOWN = '?',
  },
}

local function kind_fits(default, value)
  return type(default) == type(value)
end

--- What is wrong with settings, in words.
---@param given table
---@return string[]
function M.problems(given)
  local found = {}
  for key, value in pairs(given) do
    local default = defaults[key]
    if default == nil then
      local names = vim.tbl_keys(defaults)
      table.sort(names)
      table.insert(
        found,
        ('vim.g.namdrunner.%s is not a setting; there are %s'):format(key, table.concat(names, ', '))
      )
    elseif key == 'cmd' and type(value) == 'string' then
      table.insert(found, 'vim.g.namdrunner.cmd must be a list of words, as { "namdrunner" }')
    elseif not kind_fits(default, value) then
      table.insert(
        found,
        ('vim.g.namdrunner.%s must be a %s, not a %s'):format(key, type(default), type(value))
      )
    elseif key == 'notify' and not vim.tbl_contains({ 'all', 'failures', 'none' }, value) then
      table.insert(found, "vim.g.namdrunner.notify must be 'all', 'failures' or 'none'")
    end
  end
  table.sort(found)
  return found
end

local function given()
  local set = vim.g.namdrunner
  if type(set) == 'function' then
    set = set()
  end
  return type(set) == 'table' and set or {}
end

--- What was set, unchecked.
M.given = given

--- The settings in force; what is wrong is left at its default (`:checkhealth namdrunner` says so).
---@return namdrunner.Config
function M.get()
  local config = vim.deepcopy(defaults)
  for key, value in pairs(given()) do
    if #M.problems({ [key] = value }) == 0 then
      if key == 'icons' then
        config.icons = vim.tbl_extend('force', config.icons, value)
      else
        config[key] = value
      end
    end
  end
  return config
end

return M
