--- The server as an LSP client of Neovim's own: started when a config is opened or a command needs
--- it, one for all buffers; what it tells goes to `namdrunner.jobs`.
local M = {}

local NAME = 'namdrunner'
-- The protocol that is spoken here (protocol/README.md).
local PROTOCOL = 1
-- Crashes after which it is not started again by itself.
local PATIENCE = 4
-- Milliseconds in which a server that is told to end may do so.
local GRACE = 3000

local crashes = 0
local waiting = {}
-- The client, from when it is started, and whether it has answered `initialize`. (Before 0.11
-- `vim.lsp.get_clients` leaves out those that have not.)
local current = nil
local ready = nil
-- Clients that were told to end, and who waits for that.
local ending = {}

local function later(callback, ...)
  local args = vim.F.pack_len(...)
  vim.schedule(function()
    callback(vim.F.unpack_len(args))
  end)
end

--- Calls a method of a client: with a colon from 0.11 on, with a dot before.
local function call(client, method, ...)
  if vim.fn.has('nvim-0.11') == 1 then
    return client[method](client, ...)
  end
  return client[method](...)
end

--- A message for the person.
---@param message string
---@param level integer?
function M.say(message, level)
  vim.notify(message, level or vim.log.levels.INFO, { title = 'NAMD' })
end

--- An error answer in words: what happened, why, and what to do.
---@param error table
---@return string
function M.explain(error)
  local hint = type(error.data) == 'table' and error.data.hint
  return hint and ('%s\n%s'):format(error.message, hint) or error.message
end

---@return vim.lsp.Client?
function M.get()
  local client = current and vim.lsp.get_client_by_id(current)
  if client and not call(client, 'is_stopped') then
    return client
  end
end

local handlers = {}

handlers['jobStatusChanged'] = function(_, params)
  require('namdrunner.jobs').changed(params)
end
handlers['jobProgress'] = function(_, params)
  require('namdrunner.jobs').progressed(params)
end
handlers['jobDeleted'] = function(_, params)
  require('namdrunner.jobs').deleted(params)
end
handlers['clusterStatusChanged'] = function(_, params)
  require('namdrunner.jobs').cluster(params.cluster, params.status)
end
handlers['syncCompleted'] = function() end
handlers['authPrompt'] = function(_, params)
  return require('namdrunner.prompt').auth(params)
end
handlers['hostKeyPrompt'] = function(_, params)
  return require('namdrunner.prompt').host_key(params)
end

--- Gets all jobs, page by page. `callback(error)` comes at the end.
---@param callback fun(error: table?)?
function M.list(callback)
  local function page(after)
    M.request('listJobs', { limit = 1000, after = after }, function(error, result)
      if error then
        return callback and callback(error)
      end
      require('namdrunner.jobs').fill(result)
      if result.next then
        return page(result.next)
      end
      return callback and callback()
    end)
  end
  page()
end

--- Gets everything once; from then on changes are told.
local function fill()
  M.list()
  M.request('listClusters', {}, function(error, result)
    for _, state in ipairs(not error and result.clusters or {}) do
      require('namdrunner.jobs').cluster(state.name, state)
    end
  end)
end

local function on_init(client, answer)
  local facts = type(answer) == 'table' and answer.namdrunner or {}
  if facts.protocol ~= PROTOCOL then
    local info = type(answer) == 'table' and answer.serverInfo or {}
    M.refused = ('%s speaks protocol %s of NAMDRunner (%s %s); this plugin speaks %d. Update the older of the two; :checkhealth namdrunner says where the program is.'):format(
      require('namdrunner.config').get().cmd[1],
      facts.protocol or '?',
      info.name or 'an unnamed server',
      info.version or '?',
      PROTOCOL
    )
    M.say(M.refused, vim.log.levels.ERROR)
    local held = waiting
    waiting = {}
    for _, go in ipairs(held) do
      later(go, { message = M.refused })
    end
    return later(M.stop)
  end
  current, ready = client.id, client.id
  crashes = 0
  require('namdrunner.notify').start()
  require('namdrunner.beside').start()
  fill()
  local held = waiting
  waiting = {}
  for _, go in ipairs(held) do
    later(go)
  end
end

local function on_exit(code, signal, id)
  if ready == id then
    ready = nil
  end
  if vim.v.exiting ~= vim.NIL then
    return
  end
  local told = ending[id]
  if told then
    ending[id] = nil
    later(function()
      require('namdrunner.jobs').clear()
      for _, callback in ipairs(told) do
        callback()
      end
    end)
    return
  end
  crashes = crashes + 1
  later(function()
    require('namdrunner.jobs').clear()
    local held = waiting
    waiting = {}
    for _, go in ipairs(held) do
      go({ message = 'The NAMDRunner server ended.', data = { hint = ':checkhealth namdrunner' } })
    end
    if crashes >= PATIENCE then
      M.say(
        ('The NAMDRunner server ended %d times (exit code %s, signal %s) and is not started again. '):format(
          crashes,
          code,
          signal
        ) .. ':checkhealth namdrunner says more; :Namd restart tries again.',
        vim.log.levels.ERROR
      )
      return
    end
    M.say('The NAMDRunner server ended unexpectedly; it is started again.', vim.log.levels.WARN)
    for _, buf in ipairs(vim.api.nvim_list_bufs()) do
      if vim.api.nvim_buf_is_loaded(buf) and vim.bo[buf].filetype == 'namd' then
        M.attach(buf)
      end
    end
    if not M.get() then
      M.start()
    end
  end)
end

--- The client's configuration, for `vim.lsp.start` and `vim.lsp.config`.
---@return table
function M.config()
  return {
    name = NAME,
    cmd = require('namdrunner.config').get().cmd,
    filetypes = { 'namd' },
    handlers = handlers,
    init_options = {
      client = { name = 'namdrunner.nvim', version = '0.1.0' },
      canPrompt = #vim.api.nvim_list_uis() > 0 or vim.g.namdrunner_can_prompt == true,
    },
    on_init = on_init,
    on_exit = on_exit,
    on_attach = function(_, buf)
      require('namdrunner.beside').attach(buf)
    end,
  }
end

local function executable()
  local program = require('namdrunner.config').get().cmd[1]
  if vim.fn.executable(program) == 1 then
    return true
  end
  M.say(
    ('%s was not found. Install it (cargo install namdrunner), or set vim.g.namdrunner = { cmd = { "/path/to/namdrunner" } }.'):format(
      program
    ),
    vim.log.levels.ERROR
  )
  return false
end

--- Starts the server without a buffer; gives the client's id.
---@return integer?
function M.start()
  local client = M.get()
  if client then
    return client.id
  end
  if not executable() then
    return nil
  end
  if vim.fn.has('nvim-0.11') == 1 then
    current = vim.lsp.start(M.config(), { attach = false })
  else
    current = vim.lsp.start_client(M.config())
  end
  return current
end

--- Starts the server for a buffer.
---@param buf integer
function M.attach(buf)
  if vim.bo[buf].buftype ~= '' or vim.api.nvim_buf_get_name(buf) == '' then
    return
  end
  -- Said once for a missing program, not with every file.
  if M.missing or M.refused or not (M.get() or executable()) then
    M.missing = true
    return
  end
  local id = M.start()
  if id and not vim.lsp.buf_is_attached(buf, id) then
    vim.lsp.buf_attach_client(buf, id)
  end
end

--- Asks the server; starts it if need be. `callback(error, result)` comes on the main loop.
---@param method string
---@param params table?
---@param callback fun(error: table?, result: any)
---@return fun() withdraw
function M.request(method, params, callback)
  local id, withdrawn
  local function withdraw()
    withdrawn = true
    local client = M.get()
    if client and id then
      call(client, 'notify', '$/cancelRequest', { id = id })
    end
  end
  local function go(failed)
    if failed then
      return callback(failed)
    end
    if withdrawn then
      return
    end
    local client = M.get()
    if not client then
      return callback({ message = 'The NAMDRunner server does not run.' })
    end
    params = params and next(params) and params or vim.empty_dict()
    local sent
    sent, id = call(client, 'request', method, params, function(error, result)
      callback(error, result)
    end)
    if not sent then
      callback({ message = 'The NAMDRunner server does not answer.' })
    end
  end
  M.missing = nil
  local client = M.get()
  if M.refused then
    callback({ message = M.refused, data = { hint = ':Namd restart tries again.' } })
  elseif client and ready == client.id then
    go()
  elseif M.start() then
    waiting[#waiting + 1] = go
  else
    callback({ message = 'The NAMDRunner server cannot be started.' })
  end
  return withdraw
end

--- As `request`, but an error is told to the person and `callback(result)` comes only without one.
---@param method string
---@param params table?
---@param callback fun(result: any)?
function M.ask(method, params, callback)
  return M.request(method, params, function(error, result)
    if error then
      M.say(M.explain(error), vim.log.levels.ERROR)
    elseif callback then
      callback(result)
    end
  end)
end

--- Ends the server and starts it anew.
function M.restart()
  crashes = 0
  M.refused = nil
  M.stop(function()
    M.missing = nil
    for _, buf in ipairs(vim.api.nvim_list_bufs()) do
      if vim.api.nvim_buf_is_loaded(buf) and vim.bo[buf].filetype == 'namd' then
        M.attach(buf)
      end
    end
    M.start()
  end)
end

--- Ends the server.
---@param callback fun()?
function M.stop(callback)
  local client = M.get()
  if not client then
    if callback then
      callback()
    end
    return
  end
  ending[client.id] = ending[client.id] or {}
  table.insert(ending[client.id], callback)
  call(client, 'stop')
  -- One that does not answer is not waited for.
  vim.defer_fn(function()
    local same = vim.lsp.get_client_by_id(client.id)
    if same and not call(same, 'is_stopped') then
      call(same, 'stop', true)
    end
  end, GRACE)
end

return M
