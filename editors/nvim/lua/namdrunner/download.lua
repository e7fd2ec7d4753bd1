--- Gets a job's results to this machine.
local M = {}

--- Asks for the files by their patterns; without any the server's own choice (no trajectories).
---@param job table
---@param patterns string[]
function M.start(job, patterns)
  local client = require('namdrunner.client')
  client.ask('download', {
    jobId = job.jobId,
    patterns = #patterns > 0 and patterns or nil,
    workDoneToken = 'namd-download-' .. vim.uv.hrtime(),
  }, function(result)
    local files = result.files or {}
    if #files == 0 then
      return client.say(('%s has no files that fit.'):format(job.jobName))
    end
    client.say(('%d files of %s are here: %s'):format(#files, job.jobName, result.to))
  end)
end

return M
