#!/usr/bin/env bash
# What a person sees, at 80 and 160 columns: a real Neovim in tmux, the real server, this machine as
# the cluster; a login that asks where tests/cluster/up.sh's variables are set. Called by tests/run.sh.
# The screens are kept in target/screens/nvim.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/../../.."
top=$PWD
: "${NVIM:?}" "${NAMDRUNNER_TEST_BINARY:?}" "${HOME_OF_TEST:?}"
screens=$top/target/screens/nvim
mkdir -p "$screens"
rm -f "$screens"/*
passed=0 failed=0 skipped=0
socket=namd-$$

tmux_() { tmux -L "$socket" -f /dev/null "$@"; }
trap 'tmux_ kill-server 2>/dev/null || true; kill "${asking:-}" 2>/dev/null || true' EXIT

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

# place DIR: a simulation, a home and a Neovim that uses them.
place() {
    mkdir -p "$dir/home/config" "$dir/water/common" "$dir/water/equil"
    cp src/cli/demo/water/common/* "$dir/water/common/"
    cp tests/demo/*.namd tests/demo/*.tcl src/cli/demo/water/equil/water.namd "$dir/water/equil/"
    cp src/cli/demo/namd-stand-in "$dir/"
    {
        echo '# namd-stand-in: fatal pairlistDist must be >= cutoff at 20'
        cat src/cli/demo/water/equil/water.namd
    } >"$dir/water/equil/conflict.namd"
    cat >"$dir/init.lua" <<LUA
vim.opt.runtimepath:prepend('$top/editors/nvim')
vim.o.swapfile = false
vim.o.shadafile = 'NONE'
vim.o.termguicolors = false
vim.g.namdrunner = { cmd = { '$NAMDRUNNER_TEST_BINARY' } }
LUA
}

# see FILE: opens it in Neovim on a screen of $size.
see() {
    tmux_ new-session -d -x "${size%x*}" -y "${size#*x}" -s t \
        "env -i PATH='$PATH' HOME='$HOME_OF_TEST' NAMDRUNNER_HOME='$dir/home' NAMDRUNNER_LINGER=0s LC_ALL=C.UTF-8 TERM=tmux-256color '$NVIM' -u '$dir/init.lua' -i NONE '$dir/water/equil/$1'"
}
leave() {
    keys ':qall!' Enter
    for _ in {1..100}; do tmux_ has-session -t t 2>/dev/null || break; sleep 0.1; done
    tmux_ kill-session -t t 2>/dev/null || true
}

for size in 80x24 160x45; do
    name=$size
    dir=$HOME_OF_TEST/screen-$size
    place
    cat >"$dir/home/config/config.toml" <<TOML
default_cluster = "local"
[clusters.local]
scheduler = "direct"
project_root = "$dir/projects"
scratch_root = "$dir/scratch"
launch = "sh $dir/namd-stand-in +p1 {config} > {log} 2>&1"
sync_interval = 1
TOML
    see lingers.namd
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
    shows page '# lingers' '● RUNNING' 'job          lingers_'
    keys ':close' Enter ':wincmd k' Enter ':Namd! cancel' Enter
    shows cancelled '⊘ CANCELLED'
    keys ':only' Enter ':edit %:h/conflict.namd' Enter ':Namd! create' Enter '/^run' Enter
    shows failed '✗ FAILED · Settings in the configuration do n'
    keys ':Namd diagnose' Enter
    shows diagnosis 'FATAL ERROR: pairlistDist must be >= cutoff' 'What to do:'
    leave
done

name=login size=100x30
if [[ -n ${NRT_SSH_PORT:-} ]]; then
    dir=$HOME_OF_TEST/screen-login
    place
    mkdir "$dir/sshd"
    mkfifo "$dir/stop"
    editors/asking-sshd.sh "$dir/sshd" <"$dir/stop" >"$dir/port" &
    asking=$!
    exec 5>"$dir/stop"
    for _ in {1..150}; do [[ ! -s $dir/port ]] || break; sleep 0.1; done
    cat >"$dir/home/config/config.toml" <<TOML
default_cluster = "hpc"
[clusters.hpc]
host = "127.0.0.1"
port = $(cat "$dir/port")
user = "$NRT_SSH_USER"
known_hosts = ["$dir/known_hosts"]
ssh_config = "none"
scheduler = "slurm"
project_root = "$NRT_PROJECT_ROOT/screens-$$"
scratch_root = "$NRT_SCRATCH_ROOT/screens-$$"
launch = "namd3 {config} > {log} 2>&1"
TOML
    see water.namd
    shows open 'structure'
    keys ':Namd connect hpc' Enter
    shows host 'is not known' 'SHA256:' 'Yes, it is the right key'
    keys 2 Enter
    shows password "log in to hpc as $NRT_SSH_USER@127.0.0.1" 'Password:'
    keys planted-Sesam-4711
    # Typed, and not to be read.
    shows hidden '*****'
    if grep -q planted "$screens/$name-hidden.txt"; then
        failed=$((failed + 1))
        echo "FAILED   $name: the password can be read"
    fi
    keys Enter
    shows code 'Verification code:'
    keys "$(editors/asking-sshd.sh code)" Enter
    shows connected 'Connected to hpc.'
    leave
    exec 5>&-
    wait "$asking" || true
else
    skipped=$((skipped + 1))
    echo "skipped  $name (needs NRT_SSH_PORT)"
fi
((skipped == 0)) && more='' || more=", $skipped skipped"
echo "$passed passed, $failed failed$more"
((failed == 0))
