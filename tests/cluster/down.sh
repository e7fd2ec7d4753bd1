#!/usr/bin/env bash
# Ends the test cluster and removes all of it: processes, the user, the directory.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=tests/cluster/lib.sh
. "$here/lib.sh"

need_root
check_dir
if [[ ! -e $DIR ]]; then
    say "nothing is up in $DIR"
    exit 0
fi
[[ -e $MARK ]] || fail "$DIR is not a test cluster (it has no $(basename "$MARK")); nothing was removed"
take_lock
trap '' INT TERM HUP   # half removed is worse than either
tear_down
say "down; $DIR is removed"
