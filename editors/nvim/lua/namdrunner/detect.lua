--- Tells a NAMD config from other files with the same ending, by its keywords.
local M = {}

-- Keywords that hardly mean anything elsewhere; the server's list (src/namd/config.rs).
local STRONG = {
  'structure', 'paratypecharmm', 'exclude', '1-4scaling', 'onefourscaling', 'bincoordinates',
  'binvelocities', 'extendedsystem', 'outputname', 'fullelectfrequency', 'stepspercycle',
  'langevinpiston', 'langevintemp', 'pmegridspacing', 'rigidbonds', 'pairlistdist', 'switchdist',
  'nonbondedfreq', 'parmfile', 'cellbasisvector1', 'wrapall',
}
local COMMON = {
  'coordinates', 'parameters', 'temperature', 'cutoff', 'timestep', 'restartfreq', 'dcdfreq',
  'xstfreq', 'outputenergies', 'switching', 'pme', 'langevin', 'langevindamping', 'dielectric',
  'firsttimestep', 'minimize', 'run', 'numsteps', 'colvars', 'margin', 'seed', 'cwd',
}

local strong, known = {}, {}
for _, word in ipairs(STRONG) do
  strong[word], known[word] = true, true
end
for _, word in ipairs(COMMON) do
  known[word] = true
end

--- Whether lines are those of a NAMD config: three different keywords, one of them NAMD's own.
---@param lines string[]
---@return boolean
function M.is_config(lines)
  local seen, count, sure = {}, 0, false
  for _, line in ipairs(lines) do
    local word = line:match('^%s*([%w_-]+)[%s=]')
    word = word and word:lower()
    if word and known[word] and not seen[word] then
      seen[word] = true
      count = count + 1
      sure = sure or strong[word] == true
    end
  end
  return sure and count >= 3
end

local function by_content(_, buf)
  if buf and M.is_config(vim.api.nvim_buf_get_lines(buf, 0, 400, false)) then
    return 'namd'
  end
end

--- Makes the file type known: `.namd` by its name; the others, which many programs use, by what is
--- in them.
function M.register()
  vim.filetype.add({
    extension = {
      namd = 'namd',
      inp = by_content,
      conf = by_content,
      config = by_content,
      tcl = function(path, buf)
        return by_content(path, buf) or 'tcl'
      end,
    },
  })
end

return M
