//! Knowing a process again: its number, when it started, and which boot of the machine it belongs
//! to.

/// Shell functions. `birth PID` prints when a living process started, as one word, or nothing;
/// `$boot` is this boot of the machine; `lives PID BIRTH BOOT` is whether that process is there.
///
/// Linux: field 22 of /proc/PID/stat, in clock ticks since boot, after the name in parentheses,
/// which may hold anything; field 3 is the state, of which Z and X are dead (proc(5)). Elsewhere:
/// `ps -o lstart`. A process that ends while it is looked at has no birth.
pub(super) const FUNCTIONS: &str = r#"birth() {
    if [ -r /proc/self/stat ]; then
        stat=
        { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null
        set -- ${stat##*") "}
        case ${1:-Z} in Z | X | x) return 1 ;; esac
        echo "${20}"
    else
        set -- $(LC_ALL=C ps -o state= -o lstart= -p "$1" 2>/dev/null)
        case ${1:-Z} in Z*) return 1 ;; esac
        shift
        echo "$*" | tr ' ' _
    fi
}
lives() { [ "$3" = "$boot" ] && [ "$(birth "$1")" = "$2" ]; }
boot=
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
[ -n "$boot" ] || boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null)
boot=${boot:-unknown}
"#;
