-- For those who enable servers themselves: vim.lsp.enable('namdrunner'), Neovim 0.11 or newer. The
-- plugin starts the server without it, and does not start a second one.
return require('namdrunner.client').config()
