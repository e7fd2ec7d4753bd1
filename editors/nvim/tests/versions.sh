#!/usr/bin/env bash
# The tests of run.lua with an older and a newer Neovim, each Debian's own in a chroot: as root,
# editors/nvim/tests/versions.sh [SUITE...]     (default: trixie, 0.10; forky, 0.12)
#
# Not part of tests/run.sh: it fetches a small Debian for each. The chroots stay in target/nvim-SUITE.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/../../.."
top=$PWD
binary=${NAMDRUNNER_TEST_BINARY:-$top/${CARGO_TARGET_DIR:-target}/debug/namdrunner}
[[ $EUID -eq 0 ]] || { echo 'needs root, for chroot' >&2; exit 3; }
command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap
mirror=$(grep -hoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1 | tr -d ' ') || true
status=0
(($#)) || set -- trixie forky
for suite; do
    root=$top/target/nvim-$suite
    if [[ ! -x $root/usr/bin/nvim ]]; then
        rm -rf "$root"
        # A suite that is newer than this debootstrap is made as sid is.
        script=/usr/share/debootstrap/scripts/$suite
        [[ -e $script ]] || script=sid
        debootstrap --variant=minbase --include=neovim,procps "$suite" "$root" "${mirror:-http://deb.debian.org/debian}" "${script##*/}" >"$top/target/nvim-$suite.log" 2>&1 ||
            { tail -n 5 "$top/target/nvim-$suite.log"; exit 1; }
    fi
    copy=$root/namd
    rm -rf "$copy"
    mkdir -p "$copy/editors" "$copy/src/cli" "$copy/src/namd" "$copy/tests" "$root/root" "$root/dev" "$root/proc"
    cp -r editors/nvim "$copy/editors/"
    cp -r src/cli/demo "$copy/src/cli/"
    cp src/namd/keywords.tsv "$copy/src/namd/"
    cp -r tests/demo "$copy/tests/"
    cp -r protocol "$copy/"
    cp "$binary" "$root/usr/local/bin/namdrunner"
    # The program is linked with this machine's libraries; a newer C library runs it.
    mount --bind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    trap 'umount -l "$root/dev" "$root/proc" 2>/dev/null || true' EXIT
    chroot "$root" nvim --version | head -n 1
    env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin NAMDRUNNER_TEST_BINARY=/usr/local/bin/namdrunner \
        chroot "$root" nvim -u NONE -i NONE -l /namd/editors/nvim/tests/run.lua ${NAMDRUNNER_TEST_FILTER:+"$NAMDRUNNER_TEST_FILTER"} || status=$?
    umount -l "$root/dev" "$root/proc"
done
exit "$status"
