--- The jobs as this editor knows them: a list once, then what is told. Pure but for its listeners.
local M = {}

---@type table<string, table>
local jobs = {}
local clusters = {}
local listeners = {}
local seq, store = 0, nil

local function tell(what, ...)
  local tired = {}
  for _, listener in ipairs(listeners) do
    tired[listener] = listener(what, ...) == true or nil
  end
  if next(tired) then
    listeners = vim.tbl_filter(function(listener)
      return not tired[listener]
    end, listeners)
  end
end

--- Calls `listener(what, …)` from now on: `'job', job, from`, `'gone', jobId`, `'all'`, `'cluster', name`;
--- until it gives true.
---@param listener fun(what: string, ...): boolean?
function M.listen(listener)
  listeners[#listeners + 1] = listener
end

--- Takes a page of `listJobs`.
function M.fill(result)
  if store ~= result.storeId then
    jobs, store = {}, result.storeId
  end
  for _, job in ipairs(result.jobs) do
    local known = jobs[job.jobId]
    if not known or known.updatedAt <= job.updatedAt then
      jobs[job.jobId] = job
    end
  end
  seq = math.max(seq, result.seq or 0)
  tell('all')
end

--- Takes `jobStatusChanged`.
function M.changed(change)
  seq = math.max(seq, change.seq)
  jobs[change.jobId] = change.job
  tell('job', change.job, change.from)
end

--- Takes `jobProgress`.
function M.progressed(told)
  local job = jobs[told.jobId]
  if job then
    job.progress, job.diagnosis = told.progress, told.diagnosis
    tell('job', job, job.status)
  end
end

--- Takes `jobDeleted`.
function M.deleted(told)
  seq = math.max(seq, told.seq)
  jobs[told.jobId] = nil
  tell('gone', told.jobId)
end

--- Takes a cluster's state.
function M.cluster(name, state)
  clusters[name] = state
  tell('cluster', name)
end

---@return table? job
function M.get(id)
  return jobs[id]
end

--- All jobs, newest first.
---@return table[]
function M.all()
  local list = vim.tbl_values(jobs)
  table.sort(list, function(a, b)
    if a.createdAt ~= b.createdAt then
      return a.createdAt > b.createdAt
    end
    return a.jobId > b.jobId
  end)
  return list
end

--- The job a config belongs to: the latest with its path.
---@param path string
---@return table?
function M.of_config(path)
  local latest
  for _, job in pairs(jobs) do
    if job.configPath == path and (not latest or latest.createdAt < job.createdAt) then
      latest = job
    end
  end
  return latest
end

---@return table<string, table>
function M.clusters()
  return clusters
end

--- How many jobs run and wait.
---@return integer running, integer pending
function M.counts()
  local running, pending = 0, 0
  for _, job in pairs(jobs) do
    if job.status == 'RUNNING' then
      running = running + 1
    elseif job.status == 'PENDING' then
      pending = pending + 1
    end
  end
  return running, pending
end

--- The last change that was told, and of which store.
function M.position()
  return seq, store
end

--- Forgets everything: the server is gone, or for tests.
function M.clear()
  jobs, clusters, seq, store = {}, {}, 0, nil
  tell('all')
end

return M
