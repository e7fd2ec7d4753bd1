#!/usr/bin/env bash
# What a person sees, at 80 and 160 columns: a real Neovim in tmux, the real server, this machine as
# the cluster. Called by tests/run.sh. The screens are kept in target/screens/nvim.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/../../.."
top=$PWD
: "${NVIM:?}" "${NAMDRUNNER_TEST_BINARY:?}" "${HOME_OF_TEST:?}"
screens=$top/target/screens/nvim
mkdir -p "$screens"
passed=0 failed=0
socket=namd-$$

tmux_() { tmux -L "$socket" -f /dev/null "$@"; }
trap 'tmux_ kill-server 2>/dev/null || true' EXIT

# shows WHAT TEXT...: waits until all the texts stand on the screen.
shows() {
    local what=$1 text missing
    shift
    for _ in {1..300}; do
        missing=''
        tmux_ capture-pane -p -t t >"$screens/$name-$what.txt"
        for text; do
            grep -qF -- "$text" "$screens/$name-$what.txt" || { missing=$text; break; }
        done
        [[ -n $missing ]] || break
        sleep 0.1
    done
    if [[ -z $missing ]]; then
        passed=$((passed + 1))
        echo "ok       $name: $what"
    else
        failed=$((failed + 1))
        echo "FAILED   $name: $what does not show '$missing':"
        cat "$screens/$name-$what.txt"
    fi
}
keys() { tmux_ send-keys -t t "$@"; }

for size in 80x24 160x45; do
    name=$size
    dir=$HOME_OF_TEST/screen-$size
    mkdir -p "$dir/home/config" "$dir/water/common" "$dir/water/equil"
    cp src/cli/demo/water/common/* "$dir/water/common/"
    cp tests/demo/*.namd tests/demo/*.tcl src/cli/demo/water/equil/water.namd "$dir/water/equil/"
    cp src/cli/demo/namd-stand-in "$dir/"
    cat >"$dir/home/config/config.toml" <<TOML
default_cluster = "local"
[clusters.local]
scheduler = "direct"
project_root = "$dir/projects"
scratch_root = "$dir/scratch"
launch = "sh $dir/namd-stand-in +p1 {config} > {log} 2>&1"
sync_interval = 1
TOML
    cat >"$dir/init.lua" <<LUA
vim.opt.runtimepath:prepend('$top/editors/nvim')
vim.o.swapfile = false
vim.o.shadafile = 'NONE'
vim.o.termguicolors = false
vim.g.namdrunner = { cmd = { '$NAMDRUNNER_TEST_BINARY' } }
LUA
    tmux_ new-session -d -x "${size%x*}" -y "${size#*x}" -s t \
        "env -i PATH='$PATH' HOME='$HOME_OF_TEST' NAMDRUNNER_HOME='$dir/home' LC_ALL=C.UTF-8 TERM=tmux-256color '$NVIM' -u '$dir/init.lua' -i NONE '$dir/water/equil/lingers.namd'"
    # At 80 columns Neovim cuts a lens behind a long first line.
    if [[ $size == 80x24 ]]; then shows open 'run         36000'; else shows open 'Create and submit (local)'; fi
    keys ':Namd! create' Enter
    shows running 'run         36000   ● RUNNING'
    [[ $size == 80x24 ]] || shows lens '| Cancel |'
    keys ':Namd jobs' Enter
    shows jobs 'local  ok' 'RUNNING (1)' 'lingers' '? shows the keys'
    keys '?'
    shows keys 'submit (again)'
    keys Enter Enter
    keys ':close' Enter ':Namd! cancel' Enter
    shows cancelled '⊘ CANCELLED'
    keys ':qall!' Enter
    for _ in {1..100}; do tmux_ has-session -t t 2>/dev/null || break; sleep 0.1; done
    tmux_ kill-session -t t 2>/dev/null || true
done
echo "$passed passed, $failed failed"
((failed == 0))
