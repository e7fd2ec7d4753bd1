--- Makes and submits a job of the config in the window.
local M = {}

local function client()
  return require('namdrunner.client')
end

local function is_interesting(finding)
  return finding.severity ~= 'information'
end

local function create(path, cluster, submit)
  local token = 'namd-create-' .. vim.uv.hrtime()
  client().ask('createJob', {
    configPath = path,
    cluster = cluster,
    submit = submit,
    workDoneToken = token,
    -- The same file saved at the same time is the same wish: a call whose answer was lost may be
    -- made again.
    idempotencyKey = token,
  }, function(result)
    local found = vim.tbl_filter(is_interesting, result.findings or {})
    local more = #found > 0 and (' There are %d warnings in the config.'):format(#found) or ''
    client().say(
      ('%s was created%s on %s.%s'):format(
        result.job.jobName,
        submit and ' and is being submitted' or '',
        result.job.cluster,
        more
      )
    )
  end)
end

--- Asks where and how, shows what would be done, and does it. With `!` all defaults are taken.
---@param args { words: string[], bang: boolean }
function M.start(args)
  local buf = vim.api.nvim_get_current_buf()
  local path = vim.api.nvim_buf_get_name(buf)
  if vim.bo[buf].filetype ~= 'namd' then
    return client().say('This is not a NAMD config. Open one, or :set filetype=namd.', vim.log.levels.ERROR)
  end
  if vim.bo[buf].modified then
    vim.cmd('silent update')
  end
  local cluster = args.words[1]
  if args.bang then
    return create(path, cluster, true)
  end
  client().ask('listClusters', {}, function(listed)
    local function go(name)
      client().ask('previewJob', { configPath = path, cluster = name }, function(preview)
        local words = require('namdrunner.words')
        local choices = {
          { 'Create and submit', true },
          { 'Create, submit later', false },
          { 'Show the files and the script first' },
          { 'Leave it' },
        }
        vim.ui.select(choices, {
          prompt = ('%s on %s: %d files, %s'):format(
            vim.fs.basename(path),
            name,
            #preview.files,
            words.size(preview.totalBytes or 0)
          ),
          format_item = function(item)
            return item[1]
          end,
        }, function(_, index)
          if index == 1 or index == 2 then
            create(path, name, choices[index][2])
          elseif index == 3 then
            require('namdrunner.preview').scratch(
              'namd://preview',
              require('namdrunner.preview').lines(preview),
              'sh'
            )
          end
        end)
      end)
    end
    if cluster then
      return go(cluster)
    end
    if #listed.clusters == 1 then
      return go(listed.clusters[1].name)
    end
    vim.ui.select(listed.clusters, {
      prompt = 'On which cluster?',
      format_item = function(item)
        return ('%s (%s, %s)'):format(item.name, item.scheduler, item.health)
      end,
    }, function(chosen)
      if chosen then
        go(chosen.name)
      end
    end)
  end)
end

return M
