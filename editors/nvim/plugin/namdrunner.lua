-- Loaded at start, so it only says what there is: everything else is loaded when it is used.
if vim.g.loaded_namdrunner then
  return
end
vim.g.loaded_namdrunner = true

vim.api.nvim_create_user_command('Namd', function(args)
  require('namdrunner.command').run(args)
end, {
  nargs = '*',
  bang = true,
  range = true,
  desc = 'NAMD jobs on the cluster; :Namd help lists what it does',
  complete = function(...)
    return require('namdrunner.command').complete(...)
  end,
})

local group = vim.api.nvim_create_augroup('namdrunner', { clear = true })

-- Before the first file's type is looked for, and not before: Neovim's own table takes its time.
vim.api.nvim_create_autocmd({ 'BufReadPre', 'BufNewFile' }, {
  group = group,
  once = true,
  desc = 'Make NAMD configs known',
  callback = function()
    require('namdrunner.detect').register()
  end,
})

vim.api.nvim_create_autocmd('FileType', {
  group = group,
  pattern = 'namd',
  desc = 'Show the job beside its NAMD config',
  callback = function(event)
    require('namdrunner.client').attach(event.buf)
  end,
})

local function map(name, words)
  vim.keymap.set('n', '<Plug>(namd-' .. name .. ')', '<Cmd>Namd ' .. words .. '<CR>')
end
map('create', 'create')
map('submit', 'submit')
map('status', 'status')
map('cancel', 'cancel')
map('jobs', 'jobs')
map('log', 'log')
map('diagnose', 'diagnose')
map('sync', 'sync')
