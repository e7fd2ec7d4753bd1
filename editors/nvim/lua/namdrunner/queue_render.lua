--- The list of jobs as lines and highlights. Pure.
local M = {}

local words = require('namdrunner.words')

local ORDER = { 'RUNNING', 'PENDING', 'CREATED', 'FAILED', 'UNKNOWN', 'CANCELLED', 'COMPLETED' }

--- The statuses of a group in their order; words that are not known come last.
local function statuses(group)
  local list = vim.list_extend({}, ORDER)
  local others = vim.tbl_filter(function(status)
    return not vim.tbl_contains(ORDER, status)
  end, vim.tbl_keys(group))
  table.sort(others)
  return vim.list_extend(list, others)
end

local function fits(job, filter)
  if not filter then
    return true
  end
  local text = table
    .concat({ job.jobName, job.jobId, job.slurmJobId or '', job.status, job.cluster }, ' ')
    :lower()
  return text:find(filter:lower(), 1, true) ~= nil
end

--- How many cells a text takes. (Asking Neovim takes its time, and most texts are ASCII.)
local function cells_of(text)
  return text:find('[^ -~]') and vim.fn.strdisplaywidth(text) or #text
end

--- Cuts or fills a text to so many cells.
local function cell(text, width)
  local cells = cells_of(text)
  if cells <= width then
    return text .. (' '):rep(width - cells)
  end
  while vim.fn.strdisplaywidth(text) > width - 1 do
    text = vim.fn.strcharpart(text, 0, vim.fn.strchars(text) - 1)
  end
  return text .. '…' .. (' '):rep(width - 1 - vim.fn.strdisplaywidth(text))
end

local HEALTH = {
  ok = { 'ok', 'DiagnosticOk' },
  connecting = { 'connecting', 'DiagnosticInfo' },
  authRequired = { 'needs a login', 'DiagnosticWarn' },
  unavailable = { 'does not answer', 'DiagnosticError' },
  unchecked = { 'not asked yet', 'Comment' },
}

--- Lines, what job each is of, and highlights.
---@param jobs table[] newest first
---@param clusters table<string, table>
---@param opts { width: integer, filter: string?, icons: table<string, string>, now: integer }
---@return { lines: string[], rows: table<integer, string>, marks: table[] }
function M.list(jobs, clusters, opts)
  local lines, rows, marks = {}, {}, {}
  local function line(text)
    lines[#lines + 1] = text
    return #lines - 1
  end
  local function mark(number, from, to, group)
    marks[#marks + 1] = { line = number, from = from, to = to, group = group }
  end

  local groups, names = {}, {}
  for _, job in ipairs(jobs) do
    if fits(job, opts.filter) then
      if not groups[job.cluster] then
        groups[job.cluster] = {}
        names[#names + 1] = job.cluster
      end
      local of = groups[job.cluster]
      of[job.status] = of[job.status] or {}
      table.insert(of[job.status], job)
    end
  end
  for name in pairs(clusters) do
    if not groups[name] and not opts.filter then
      groups[name] = {}
      names[#names + 1] = name
    end
  end
  table.sort(names)

  local name_width = math.max(16, math.min(32, math.floor(opts.width * 0.25)))
  for _, name in ipairs(names) do
    local state = clusters[name]
    local health = state and HEALTH[state.health] or { '', 'Comment' }
    local head = name
    local number = line(head .. (health[1] ~= '' and '  ' .. health[1] or ''))
    mark(number, 0, #head, 'Title')
    if health[1] ~= '' then
      mark(number, #head + 2, #head + 2 + #health[1], health[2])
    end
    if state and state.reason and state.health ~= 'ok' then
      mark(line('    ' .. state.reason), 4, 4 + #state.reason, 'Comment')
    end
    local any = false
    for _, status in ipairs(statuses(groups[name])) do
      local of = groups[name][status]
      if of then
        any = true
        local title = ('  %s %s (%d)'):format(opts.icons[status] or '·', status, #of)
        mark(line(title), 2, #title, words.group(status))
        for _, job in ipairs(of) do
          local id = job.slurmJobId or ''
          local fraction = words.fraction(job)
          local bar = fraction and status == 'RUNNING' and words.bar(fraction, 10) .. ' ' or ''
          local detail = words.detail(job) or ''
          local created = words.time(job.createdAt)
          local age = created and words.span(opts.now - created) .. ' ago' or ''
          local text = ('    %s  %s  '):format(cell(job.jobName, name_width), cell(id, 9))
          local room = opts.width - cells_of(text) - 14
          text = text .. cell(bar .. detail, math.max(10, room)) .. '  ' .. age
          -- (From its end: `%s+$` would try at every blank.)
          local at = line(text:match('^.*%S'))
          rows[at + 1] = job.jobId
          if job.observed and job.observed.stale then
            mark(at, 4, #lines[at + 1], 'Comment')
          end
        end
      end
    end
    if not any then
      mark(line('    no jobs'), 4, 11, 'Comment')
    end
  end
  if #names == 0 then
    line(opts.filter and 'No job fits.' or 'No jobs yet. :Namd create in a NAMD config makes one.')
  end
  mark(line(''), 0, 0, 'Comment')
  local hint = '? shows the keys' .. (opts.filter and ('  ·  only jobs with "%s"'):format(opts.filter) or '')
  mark(line(hint), 0, #hint, 'Comment')
  return { lines = lines, rows = rows, marks = marks }
end

return M
