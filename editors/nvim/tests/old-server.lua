-- A server of another version: it answers `initialize` with protocol 2 and nothing else.
local function answer(body)
  io.stdout:write(('Content-Length: %d\r\n\r\n%s'):format(#body, body))
  io.stdout:flush()
end

while true do
  local length
  for line in io.lines() do
    length = tonumber(line:match('^Content%-Length: (%d+)')) or length
    if line:match('^\r?$') then
      break
    end
  end
  local text = length and io.read(length)
  if not text then
    os.exit(0)
  end
  local message = vim.json.decode(text)
  if message.method == 'initialize' then
    answer(vim.json.encode({
      jsonrpc = '2.0',
      id = message.id,
      result = {
        capabilities = vim.empty_dict(),
        serverInfo = { name = 'namdrunner', version = '9.0.0' },
        namdrunner = { protocol = 2 },
      },
    }))
  elseif message.method == 'shutdown' then
    answer(vim.json.encode({ jsonrpc = '2.0', id = message.id, result = vim.NIL }))
  elseif message.method == 'exit' then
    os.exit(0)
  end
end
