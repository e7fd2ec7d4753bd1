-- The recorded dialogues of protocol/transcripts, as far as they tell of jobs: what the server said
-- there must leave the list as the server had it.
local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
local folder = vim.fs.normalize(here .. '/../../../protocol/transcripts')

--- The messages from the server, in order.
local function told(path)
  local messages, current = {}, nil
  local function finish()
    if current then
      local ok, message = pcall(vim.json.decode, table.concat(current, '\n'), { luanil = { object = true } })
      if ok and type(message) == 'table' then
        messages[#messages + 1] = message
      end
      current = nil
    end
  end
  for line in io.lines(path) do
    if line:match('^<%-%- ') then
      finish()
      current = { line:sub(5) }
    elseif line:match('^%-%->') or line:match('^```') then
      finish()
    elseif current then
      current[#current + 1] = line
    end
  end
  finish()
  return messages
end

test('recorded dialogues leave the list as the server has it', function()
  local jobs = require('namdrunner.jobs')
  local changes = 0
  for name in vim.fs.dir(folder) do
    jobs.clear()
    local truth = {}
    for _, message in ipairs(told(folder .. '/' .. name)) do
      local params = message.params
      if message.method == 'jobStatusChanged' then
        jobs.changed(params)
        truth[params.jobId] = params.to
        changes = changes + 1
      elseif message.method == 'jobDeleted' then
        jobs.deleted(params)
        truth[params.jobId] = nil
      elseif message.method == 'clusterStatusChanged' then
        jobs.cluster(params.cluster, params.status)
      elseif type(message.result) == 'table' and message.result.jobs and message.result.storeId then
        jobs.fill(message.result)
        for _, job in ipairs(message.result.jobs) do
          truth[job.jobId] = job.status
        end
      end
    end
    local known = {}
    for _, job in ipairs(jobs.all()) do
      known[job.jobId] = job.status
    end
    equal(known, truth, name)
  end
  assert(changes > 3, 'the dialogues tell of changes')
  jobs.clear()
end)
