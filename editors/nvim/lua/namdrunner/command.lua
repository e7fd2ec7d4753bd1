--- `:Namd {what} …`: one command, whose words are a table.
local M = {}

---@class namdrunner.Subcommand
---@field desc string
---@field run fun(args: { words: string[], bang: boolean, line1: integer, line2: integer })
---@field complete? 'job'|'cluster'

local function client()
  return require('namdrunner.client')
end

--- The job that is meant: named, or the one of the buffer's config; asked for where neither is.
local function with_job(args, callback)
  local jobs = require('namdrunner.jobs')
  local named = args.words[1]
  local function pick()
    if named then
      local job = jobs.get(named)
      if job then
        return callback(job)
      end
      return client().ask('jobStatus', { jobId = named }, function(result)
        callback(result.job)
      end)
    end
    local job = vim.b.namdrunner_job and jobs.get(vim.b.namdrunner_job) or require('namdrunner').job()
    if job then
      return callback(job)
    end
    local list = jobs.all()
    if #list == 0 then
      return client().say('There are no jobs yet. :Namd create makes one of the config in the window.')
    end
    local words, icons = require('namdrunner.words'), require('namdrunner.config').get().icons
    vim.ui.select(list, {
      prompt = 'Which job?',
      format_item = function(item)
        return ('%s  %s'):format(item.jobName, words.headline(item, icons))
      end,
    }, function(chosen)
      if chosen then
        callback(chosen)
      end
    end)
  end
  -- The list may still be on its way.
  client().request('listClusters', {}, function(error)
    if error then
      return client().say(client().explain(error), vim.log.levels.ERROR)
    end
    pick()
  end)
end

local function on_job(method, said)
  return function(args)
    with_job(args, function(job)
      client().ask(method, { jobId = job.jobId }, function()
        client().say(said:format(job.jobName))
      end)
    end)
  end
end

---@type table<string, namdrunner.Subcommand>
M.subcommands = {
  create = {
    desc = 'make a job of this config and submit it (! with all defaults, unasked)',
    complete = 'cluster',
    run = function(args)
      require('namdrunner.create').start(args)
    end,
  },
  submit = {
    desc = 'submit a job; one that has ended gets another attempt',
    complete = 'job',
    run = on_job('submit', '%s is being submitted.'),
  },
  preview = {
    desc = 'show what would be uploaded, and the job script',
    complete = 'cluster',
    run = function(args)
      require('namdrunner.preview').show(args.words[1])
    end,
  },
  status = {
    desc = 'ask the cluster and tell how a job is',
    complete = 'job',
    run = function(args)
      with_job(args, function(job)
        client().ask('jobStatus', { jobId = job.jobId, sync = true }, function(result)
          local icons = require('namdrunner.config').get().icons
          client().say(
            ('%s: %s'):format(
              result.job.jobName,
              require('namdrunner.words').headline(result.job, icons)
            )
          )
        end)
      end)
    end,
  },
  sync = {
    desc = 'look at all clusters (or one) now',
    complete = 'cluster',
    run = function(args)
      client().ask('syncAll', { cluster = args.words[1] }, function(result)
        local said = {}
        for _, one in ipairs(result.clusters) do
          said[#said + 1] = one.error and ('%s: %s'):format(one.cluster, one.error)
            or ('%s: %d asked about, %d changed'):format(one.cluster, one.queried, one.changed)
        end
        client().say(table.concat(said, '\n'))
      end)
    end,
  },
  cancel = {
    desc = 'cancel a job (! without asking)',
    complete = 'job',
    run = function(args)
      with_job(args, function(job)
        local function go()
          client().ask('cancel', { jobId = job.jobId }, function()
            client().say(('%s is being cancelled.'):format(job.jobName))
          end)
        end
        if args.bang then
          return go()
        end
        vim.ui.select({ 'No', 'Yes, cancel it' }, {
          prompt = ('Cancel %s (%s)?'):format(job.jobName, job.status),
        }, function(_, index)
          if index == 2 then
            go()
          end
        end)
      end)
    end,
  },
  delete = {
    desc = 'delete a job from the list (! its files on the cluster, too)',
    complete = 'job',
    run = function(args)
      with_job(args, function(job)
        vim.ui.select({ 'No', 'Yes, delete it' }, {
          prompt = ('Delete %s%s?'):format(
            job.jobName,
            args.bang and ' and its files on the cluster' or ''
          ),
        }, function(_, index)
          if index == 2 then
            client().ask('deleteJob', { jobId = job.jobId, remoteFiles = args.bang }, function()
              client().say(('%s is deleted.'):format(job.jobName))
            end)
          end
        end)
      end)
    end,
  },
  log = {
    desc = "follow a job's log",
    complete = 'job',
    run = function(args)
      with_job(args, function(job)
        require('namdrunner.log').open(job, args.words[2])
      end)
    end,
  },
  diff = {
    desc = 'compare the config with what its job runs',
    complete = 'job',
    run = function(args)
      with_job(args, function(job)
        require('namdrunner.preview').diff(job)
      end)
    end,
  },
  jobs = {
    desc = 'all jobs, by cluster and status',
    run = function()
      require('namdrunner.queue').open()
    end,
  },
  show = {
    desc = 'everything about one job',
    complete = 'job',
    run = function(args)
      with_job(args, function(job)
        require('namdrunner.page').open(job.jobId)
      end)
    end,
  },
  diagnose = {
    desc = 'what went wrong, and what to do about it',
    complete = 'job',
    run = function(args)
      with_job(args, function(job)
        require('namdrunner.diagnosis').show(job)
      end)
    end,
  },
  download = {
    desc = "get a job's results; patterns may follow",
    complete = 'job',
    run = function(args)
      with_job(args, function(job)
        require('namdrunner.download').start(job, vim.list_slice(args.words, 2))
      end)
    end,
  },
  doctor = {
    desc = 'check settings, link, Slurm and directories of the clusters',
    complete = 'cluster',
    run = function(args)
      client().ask('doctor', { cluster = args.words[1] }, function(result)
        local lines = {}
        for _, check in ipairs(result.checks) do
          lines[#lines + 1] = ('%s %s: %s'):format(check.ok and '✓' or '✗', check.name, check.detail)
          if check.hint then
            lines[#lines + 1] = '    ' .. check.hint
          end
        end
        require('namdrunner.preview').scratch('namd://doctor', lines, '')
      end)
    end,
  },
  connect = {
    desc = 'log in to a cluster now',
    complete = 'cluster',
    run = function(args)
      local cluster = args.words[1]
      if not cluster then
        return client().say('Which cluster? :Namd connect CLUSTER', vim.log.levels.WARN)
      end
      client().ask('connect', { cluster = cluster }, function()
        client().say(('Connected to %s.'):format(cluster))
      end)
    end,
  },
  beside = {
    desc = 'show or hide the job beside this config',
    run = function()
      require('namdrunner.beside').toggle(vim.api.nvim_get_current_buf())
    end,
  },
  restart = {
    desc = 'end the server and start it anew',
    run = function()
      client().restart()
    end,
  },
  help = {
    desc = 'this list',
    run = function()
      local names = vim.tbl_keys(M.subcommands)
      table.sort(names)
      local lines = {}
      for _, name in ipairs(names) do
        lines[#lines + 1] = (':Namd %-9s %s'):format(name, M.subcommands[name].desc)
      end
      client().say(table.concat(lines, '\n'))
    end,
  },
}

-- Its history stands on a job's page.
M.subcommands.history = {
  desc = 'what happened to a job, with witnesses',
  complete = 'job',
  run = M.subcommands.show.run,
}

--- Runs one.
function M.run(args)
  local words = vim.deepcopy(args.fargs)
  local name = table.remove(words, 1) or 'jobs'
  local subcommand = M.subcommands[name]
  if not subcommand then
    return client().say(
      (':Namd %s is not known; :Namd help lists what is.'):format(name),
      vim.log.levels.ERROR
    )
  end
  subcommand.run({ words = words, bang = args.bang, line1 = args.line1, line2 = args.line2 })
end

--- What may come next on the command line.
---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local before = vim.split(vim.trim(line:sub(1, #line - #lead)), '%s+')
  local candidates
  if #before <= 1 then
    candidates = vim.tbl_keys(M.subcommands)
    table.sort(candidates)
  else
    local subcommand = M.subcommands[before[2]]
    local kind = subcommand and #before == 2 and subcommand.complete
    if kind == 'job' then
      candidates = vim.tbl_map(function(job)
        return job.jobId
      end, require('namdrunner.jobs').all())
    elseif kind == 'cluster' then
      candidates = vim.tbl_keys(require('namdrunner.jobs').clusters())
      table.sort(candidates)
    end
  end
  return vim.tbl_filter(function(candidate)
    return vim.startswith(candidate, lead)
  end, candidates or {})
end

return M
