#!/usr/bin/env bash
# Installs what the tests need from Debian's own packages: Slurm with its accounting, munge, MariaDB,
# OpenSSH, a C compiler for the crates that bring C code, and what the editors' tests look through.
# Nothing is started or kept enabled.
# Does nothing when all is there. Rust is only looked for; nothing is downloaded behind your back.
set -euo pipefail
# shellcheck source=tests/cluster/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

PACKAGES=(
    slurm-wlm slurmdbd munge mariadb-server   # the batch system
    openssh-server openssh-client rsync       # the way to it
    libpam-google-authenticator               # a second factor for logins
    tcsh                                      # a login shell that is not sh-like
    busybox mksh yash                         # what sh may be on a cluster, beside dash and bash
    shellcheck lua-check                      # read the scripts that go there, and the Lua types
    python3 python3-venv                      # the script in README.md; a Neovim from PyPI
    procps gcc libc6-dev                      # ps on the node; C code in the crates
    tmux                                      # what a person sees of Neovim
    chromium fonts-dejavu-core                # and of VS Code
)
# npm comes with some builds of Node.js and is a package of its own in Debian.
command -v npm >/dev/null || PACKAGES+=(nodejs npm)

missing_packages() {
    # Prints each package that is not fully installed.
    # (dpkg-query fails when it has never heard of one of them.)
    local have package
    have=$(dpkg-query -W -f '${db:Status-Status}=${Package}\n' "${PACKAGES[@]}" 2>/dev/null || true)
    for package in "${PACKAGES[@]}"; do
        [[ $'\n'$have$'\n' == *$'\n'"installed=$package"$'\n'* ]] || printf '%s\n' "$package"
    done
}

# Debian starts a service when its package is installed, unless this file says no (exit 101). A file
# that was there comes back afterwards; one that an earlier run left, killed half way, does not.
POLICY=/usr/sbin/policy-rc.d
policy_deny() {
    policy_restore
    [[ ! -e $POLICY ]] || mv "$POLICY" "$POLICY.namdrunner-saved"
    printf '#!/bin/sh\n# namdrunner: nothing starts while test packages are installed\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}
policy_restore() {
    ! grep -qs '^# namdrunner:' "$POLICY" || rm -f "$POLICY"
    [[ ! -e $POLICY.namdrunner-saved ]] || mv "$POLICY.namdrunner-saved" "$POLICY"
}

apt() {
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q \
        -o Acquire::Retries=5 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}

# Under systemd a package also arranges that its service starts at the next boot: undone for those
# that came by our hand.
disable_services() {
    [[ -d /run/systemd/system ]] || return 0
    local package
    for package in "$@"; do
        case $package in
            slurm-wlm) systemctl -q disable slurmctld slurmd ;;
            slurmdbd | munge) systemctl -q disable "$package" ;;
            mariadb-server) systemctl -q disable mariadb ;;
            openssh-server) systemctl -q disable ssh ;;
        esac || true
    done
}

install_packages() {
    local try
    take_lock
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
    need_root
    is_debian || fail "only Debian's packages are known here; install these yourself: ${missing[*]}"
    say "installing ${missing[*]}"
    trap policy_restore EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    policy_deny
    for try in 1 2 3 4 5; do
        # A source of somebody else's may be out of reach and Debian's lists be fine all the same:
        # the install decides. The two never run beside each other.
        apt update || say "apt-get update failed (try $try)"
        if apt install -y --no-install-recommends "${missing[@]}"; then
            disable_services "${missing[@]}"
            policy_restore
            trap - EXIT INT TERM
            return 0
        fi
        say "apt-get install failed (try $try of 5)"
        sleep $((try * 5))
    done
    fail "the packages could not be installed; see apt-get's words above"
}

check_rust() {
    local want have=0 file=${BASH_SOURCE[0]%/*}/../../Cargo.toml
    [[ $PATH: == *"$HOME/.cargo/bin:"* ]] || PATH=$PATH:$HOME/.cargo/bin
    want=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$file")
    have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || true
    if [[ -z $have ]] || ! printf '%s\n%s\n' "$want" "$have" | sort -VC; then
        say "note: the project needs Rust $want or newer; found: ${have:-none}."
        if command -v rustup >/dev/null; then
            say "      do: rustup toolchain install stable --component rustfmt,clippy && rustup default stable"
        else
            say "      Debian's own is too old. Get rustup (https://rustup.rs), or: apt-get install rustup (Debian 13);"
            say "      then: rustup toolchain install stable --component rustfmt,clippy"
        fi
        return 3
    fi
}

if [[ ${1:-} == --missing ]]; then
    missing_packages
    exit 0
fi
if [[ -n $(missing_packages) ]]; then
    install_packages
fi
if [[ ${1:-} != --no-rust ]]; then
    check_rust
fi
