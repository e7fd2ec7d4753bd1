--- What the server asks the person: passwords, codes, and whether a host's key is right. A handler of
--- a server's request runs in a coroutine of its own, so that answers may be waited for.
local M = {}

--- Waits for a function that calls back.
local function wait(start)
  local co = assert(coroutine.running(), 'prompts come in a coroutine')
  local answer, early
  start(function(value)
    if coroutine.status(co) == 'suspended' then
      vim.schedule(function()
        coroutine.resume(co, value)
      end)
    else
      answer, early = value, true
    end
  end)
  if early then
    return answer
  end
  return coroutine.yield()
end

--- Answers `authPrompt`; null withdraws.
function M.auth(params)
  local title = ('NAMD: log in to %s'):format(params.cluster)
  local head = { ('%s as %s@%s'):format(title, params.user or '?', params.host or '?') }
  for _, field in ipairs({ 'reason', 'name', 'instructions' }) do
    local text = params[field]
    if type(text) == 'string' and text ~= '' then
      head[#head + 1] = text
    end
  end
  local answers = {}
  for _, prompt in ipairs(params.prompts or {}) do
    local text = table.concat(head, '\n') .. '\n' .. prompt.text
    local answer
    if prompt.echo then
      answer = wait(function(done)
        vim.ui.input({ prompt = text }, done)
      end)
    else
      answer = wait(function(done)
        vim.schedule(function()
          -- Escape and interruption give up; an empty password is an answer.
          local ok, secret = pcall(vim.fn.inputsecret, { prompt = text, cancelreturn = vim.NIL })
          done(ok and secret ~= vim.NIL and secret or nil)
        end)
      end)
    end
    if answer == nil then
      return vim.NIL
    end
    answers[#answers + 1] = answer
  end
  return { answers = answers }
end

--- Answers `hostKeyPrompt`. A changed key can only be refused; the request informs.
function M.host_key(params)
  if params.state == 'changed' then
    require('namdrunner.client').say(
      ('The key of %s has changed (%s). Nothing was sent. If the administrators changed it, remove the old one: ssh-keygen -R %s'):format(
        params.host,
        params.fingerprint,
        params.port and params.port ~= 22 and ("'[%s]:%d'"):format(params.host, params.port)
          or params.host
      ),
      vim.log.levels.ERROR
    )
    return { accept = false }
  end
  local choice = wait(function(done)
    vim.ui.select({ 'No, do not connect', 'Yes, it is the right key' }, {
      prompt = ('%s (%s) is not known. %s key %s. Is it right?'):format(
        params.host,
        params.cluster,
        params.algorithm,
        params.fingerprint
      ),
    }, function(_, index)
      done(index or 1)
    end)
  end)
  return { accept = choice == 2 }
end

return M
