#!/usr/bin/env bash
# Fuzzes the parsers, outside the tests.
#
#   tests/fuzz/run.sh [SECONDS [TARGET...]]      60 s for each target unless said otherwise
#
# With cargo-fuzz and a nightly toolchain it is cargo-fuzz that runs. Without, libFuzzer is built by
# the stable toolchain: the compiler's coverage pass is there as well, the sanitizers are not (and
# `unsafe` is forbidden in this crate). What is found is kept in tests/fuzz/regressions/TARGET, from
# where the tests replay it: commit it with the mend.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}"

seconds=${1:-60}
targets=("${@:2}")
((${#targets[@]})) || mapfile -t targets < <(cd fuzz_targets && ls ./*.rs | sed 's|^\./||; s|\.rs$||')

if ! cargo fuzz --version >/dev/null 2>&1 || ! cargo +nightly --version >/dev/null 2>&1; then
    # (What cargo-fuzz passes too.)
    RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing' \
        cargo build --release --target "$(rustc -vV | sed -n 's/^host: //p')"
    programs=(target/*/release)
fi

found=0
for target in "${targets[@]}"; do
    mkdir -p "regressions/$target" "corpus/$target" "work/$target"
    # New inputs that reach new code go to the first directory, which is not kept.
    words=("work/$target" "corpus/$target" "regressions/$target")
    options=(-max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
        -artifact_prefix="regressions/$target/")
    printf '\n=== %s\n' "$target"
    if [[ -n ${programs:-} ]]; then
        "${programs[0]}/$target" "${words[@]}" "${options[@]}" || found=1
    else
        cargo +nightly fuzz run --fuzz-dir . "$target" "${words[@]}" -- "${options[@]}" || found=1
    fi
done
exit "$found"
