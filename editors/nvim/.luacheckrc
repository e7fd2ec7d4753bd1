std = 'luajit'
globals = { 'vim' }
max_line_length = false
files['tests/'] = { globals = { 'vim', 'test', 'equal', 'wait_for', 'arg' } }
