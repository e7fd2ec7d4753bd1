#!/bin/sh
# shellcheck disable=SC2016  # dollars in single quotes are awk's, Tcl's or a path's
# test-stand-in.sh - tests src/cli/demo/namd-stand-in and the water box beside it.
#
# Runs the stand-in under every POSIX shell and every awk that is installed, and
# compares the shape of each line it prints with lines that NAMD 3.0 printed
# (namd-3.0-lines.txt). Needs no NAMD, no network, no root; about 15 seconds.

set -u
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd) || exit 1
demo=$(cd "$here/../../src/cli/demo" && pwd) || exit 1
stand_in=$demo/namd-stand-in
work=$(mktemp -d "${TMPDIR:-/tmp}/test-stand-in.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
unset NAMD_STANDIN_SECONDS_PER_1000_STEPS
failures=0
checks=0

# ok WHAT COMMAND...: the command succeeds.
ok() {
    what=$1
    shift
    checks=$((checks + 1))
    "$@" && return 0
    failures=$((failures + 1))
    printf 'not ok: %s\n' "$what"
    return 1
}
equal() { [ "$1" = "$2" ] || { printf '  got:  %s\n  want: %s\n' "$1" "$2"; return 1; }; }
has() { grep -qxF -- "$2" "$1" || { printf '  no line "%s" in:\n' "$2"; tail -5 "$1"; return 1; }; }
has_not() { ! grep -q -- "$2" "$1"; }
size() { wc -c <"$1" | tr -d ' '; }
lines() { grep -c -- "$1" "$2"; }

# A fresh tree with the water box and the test configurations, in $work/NAME.
tree() {
    rm -rf "${work:?}/$1"
    cp -R "$demo/water" "$work/$1"
    cp "$here"/*.namd "$here"/*.tcl "$work/$1/equil"
    cd "$work/$1" || exit 1
}

# play CONFIG [ARGUMENT...]: runs the stand-in at full speed; log, err and code.
interpreter='sh'
play() {
    # shellcheck disable=SC2086  # an interpreter may have an option
    NAMD_STANDIN_SECONDS_PER_1000_STEPS=0 $interpreter "$stand_in" "$@" >"$work/log" 2>"$work/err"
    code=$?
}

# The shape of log lines: numbers, and names of files, made equal; of an ENERGY
# line the places of the decimal points, which tell the columns apart.
shape() {
    awk '{
        if (/^ENERGY:/) gsub(/[^.]/, "_")
        else if (!/^ETITLE:/) {
            if (match($0, /^Info: (OUTPUT FILENAME|RESTART FILENAME|DCD FILENAME|XST FILENAME|COORDINATE PDB|STRUCTURE FILE|PARAMETERS|BINARY COORDINATES|VELOCITY FILE|EXTENDED SYSTEM FILE|Reading pdb file|Reading from binary file|Configuration file is|Changed directory to|Working in the current directory) */))
                $0 = substr($0, 1, RLENGTH) "FILE"
            sub(/DCD FILE [^ ]+/, "DCD FILE NAME")
            if (match($0, /^(Command = zcat|Filename.Z =|Command = gzip -d -c|Filename.gz =) /)) $0 = substr($0, 1, RLENGTH)
            sub(/argument is --[^ ]+ .*/, "argument is --KEYWORD VALUE")
            sub(/Multiple definitions of .*/, "Multiple definitions of KEYWORD")
            gsub(/-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?/, "9")
        }
        print
    }' "$1"
}
shape "$here/namd-3.0-lines.txt" >"$work/shapes"

# Every line of a log has the shape of a line of NAMD, but for those that say
# that they come from the stand-in (and one that stands in NAMD's Output.C, but
# in none of the runs).
as_namd() {
    grep -v 'stand-in\|^COORDINATE DCD FILE .* WAS NOT CREATED$' "$1" | grep . | shape - | grep -vxF -f "$work/shapes" | grep -v '^ \|^"' >"$work/unknown"
    [ ! -s "$work/unknown" ] || { sed 's/^/  unlike NAMD: /' "$work/unknown" | sort -u | head; return 1; }
}

# ---- a whole run: the same under every shell and every awk --------------------

for interpreter in sh dash bash 'bash --posix' 'busybox ash' mksh ksh yash 'zsh --emulate sh'; do
    command -v "${interpreter%% *}" >/dev/null || continue
    tree whole
    play +p2 equil/water.namd
    ok "$interpreter: exit code" equal "$code" 0
    ok "$interpreter: nothing on stderr" equal "$(cat "$work/err")" ''
    cksum equil/water_equil* >"$work/sums"
    [ -e "$work/first.log" ] || { cp "$work/log" "$work/first.log"; cp "$work/sums" "$work/first.sums"; }
    ok "$interpreter: the same log" cmp "$work/log" "$work/first.log"
    ok "$interpreter: the same files" cmp "$work/sums" "$work/first.sums"
    printf 'shell: %s\n' "$interpreter"
done
interpreter='sh'
for awk in mawk gawk 'gawk --posix' original-awk 'busybox awk'; do
    command -v "${awk%% *}" >/dev/null || continue
    mkdir -p "$work/bin"
    printf '#!/bin/sh\nexec %s "$@"\n' "$awk" >"$work/bin/awk"
    chmod +x "$work/bin/awk"
    tree whole
    (PATH=$work/bin:$PATH && play +p2 equil/water.namd && exit "$code")
    ok "$awk: exit code" equal "$?" 0
    cksum equil/water_equil* >"$work/sums"
    ok "$awk: the same log" cmp "$work/log" "$work/first.log"
    ok "$awk: the same files" cmp "$work/sums" "$work/first.sums"
    rm -r "${work:?}/bin"
    printf 'awk: %s\n' "$awk"
done

# ---- what the log says --------------------------------------------------------

log=$work/first.log
ok 'says first what it is' equal "$(head -1 "$log")" 'Info: namdrunner stand-in for NAMD: no physics is computed'
ok 'names itself as the platform' has "$log" 'Info: NAMD 3.0 for namdrunner-stand-in'
ok 'lines of NAMD' as_namd "$log"
ok 'processors' has "$log" 'Info: Running on 2 processors, 1 nodes, 1 physical nodes.'
ok 'configuration' has "$log" 'Info: Configuration file is equil/water.namd'
ok 'directory' has "$log" 'Info: Changed directory to equil'
ok 'time step' has "$log" 'Info: TIMESTEP               2'
ok 'outputs' has "$log" 'Info: OUTPUT FILENAME        water_equil'
ok 'structure' has "$log" 'Info: STRUCTURE FILE         ../common/water.psf'
ok 'parameters' has "$log" 'Info: PARAMETERS             ../common/tip3p.prm'
ok 'atoms' has "$log" 'Info: 648 ATOMS'
ok 'rigid waters' has "$log" 'Info: 1296 DEGREES OF FREEDOM'
ok 'neutral' has "$log" 'Info: TOTAL CHARGE = 0 e'
ok 'minimises' has "$log" 'TCL: Minimizing for 200 steps'
ok 'runs' has "$log" 'TCL: Running for 4800 steps'
# Minimising, each step has an ENERGY line; running, each hundredth, the first too.
ok 'energies' equal "$(lines '^ENERGY:' "$log")" $((201 + 49))
ok 'titles' equal "$(lines '^ETITLE:' "$log")" $((21 + 5))
ok 'timings' equal "$(lines '^TIMING:' "$log")" 50
ok 'performances' equal "$(lines '^PERFORMANCE:' "$log")" 50
ok 'benchmarks' equal "$(lines '^Info: Initial time\|^Info: Benchmark time' "$log")" 6
ok 'restarts' equal "$(lines '^FINISHED WRITING RESTART VELOCITIES' "$log")" 10
ok 'order of a restart' equal "$(sed -n '/RESTART FILE AT STEP 500$/,/FINISHED WRITING RESTART VEL/p' "$log" | cut -d' ' -f1-4 | tr '\n' '|')" \
    'WRITING EXTENDED SYSTEM TO|WRITING COORDINATES TO DCD|WRITING COORDINATES TO RESTART|FINISHED WRITING RESTART COORDINATES|The last position output|WRITING VELOCITIES TO RESTART|FINISHED WRITING RESTART VELOCITIES|'
ok 'steps go up' awk '/^ENERGY:/ { if ($2 + 0 < last) exit 1; last = $2 + 0 } END { exit last != 5000 }' "$log"
ok 'the total is the sum' awk '/^ENERGY:/ { total = $3 + $4 + $5 + $6 + $7 + $8 + $9 + $10 + $11 - $12; if (total > 0.01 || total < -0.01) exit 1 }' "$log"
ok 'ends well' equal "$(tail -2 "$log" | cut -d' ' -f1 | tr '\n' ' ')" 'WallClock: [Partition '

# ---- what the files hold ------------------------------------------------------

cd "$work/whole/equil" || exit 1
for file in water_equil.coor water_equil.vel water_equil.restart.coor water_equil.restart.vel water_equil.restart.coor.old; do
    ok "$file: size" equal "$(size $file)" $((4 + 24 * 648))
    ok "$file: count" equal "$(od -A n -t d4 -N 4 $file | tr -d ' ')" 648
done
for atom in 1 648; do
    want=$(awk -v atom=$atom '/^ATOM/ && $2 == atom { print substr($0, 31, 24) }' ../common/water.pdb)
    got=$(od -A n -t f8 -j $((4 + 24 * (atom - 1))) -N 24 water_equil.coor | tr '\n' ' ')
    ok "coordinates of atom $atom" awk -v got="$got" -v want="$want" 'BEGIN {
        n = split(got, g, " "); if (split(want, w, " ") != 3 || n != 3) exit 1
        for (i = 1; i <= 3; i++) { d = g[i] - w[i]; if (d > 1e-12 || d < -1e-12) exit 1 } }'
done
ok 'trajectory: size' equal "$(size water_equil.dcd)" $((276 + 20 * (56 + 3 * (8 + 4 * 648))))
ok 'trajectory: frames, first, between, last' equal "$(od -A n -t d4 -j 8 -N 16 water_equil.dcd | tr -s ' ')" ' 20 250 250 5000'
ok 'trajectory: cell' equal "$(od -A n -t f8 -j 280 -N 8 water_equil.dcd | awk '{ printf "%.4f", $1 }')" 18.6206
ok 'trajectory: x of atom 1' equal "$(od -A n -t f4 -j 336 -N 4 water_equil.dcd | awk '{ printf "%.3f", $1 }')" -7.759
ok 'cell file' equal "$(tail -1 water_equil.restart.xsc)" '5000 18.6206 0 0 0 18.6206 0 0 0 18.6206 0 0 0 0 0 0 0 0 0'
ok 'cell trajectory' equal "$(lines '^[0-9]' water_equil.xst)" 21
ok 'the restart before' equal "$(tail -1 water_equil.restart.xsc.old | cut -d' ' -f1)" 4500

# ---- a continued run, and outputs that are in the way -------------------------

cd .. || exit 1
play equil/continues.namd
ok 'continues: exit code' equal "$code" 0
ok 'continues: lines of NAMD' as_namd "$work/log"
ok 'continues: first step' has "$work/log" 'Info: FIRST TIMESTEP         5000'
ok 'continues: velocities' has "$work/log" 'Info: VELOCITY FILE          water_equil.vel'
ok 'continues: the length' has "$work/log" 'TCL: Running for 1000 steps'
ok 'continues: the end' equal "$(tail -1 equil/continues.xsc | cut -d' ' -f1)" 6000
play equil/continues.namd --restartsave yes
ok 'continues: keeps each restart' equal "$(size equil/continues.5300.coor)" 15556
ok 'continues: coordinates go on' cmp equil/water_equil.coor equil/continues.coor
play equil/continues.namd
ok 'again: the files before are kept' equal "$(size equil/continues.dcd.BAK)" "$(size equil/continues.dcd)"
sed 's/set  *previous.*/set previous continues.restart/; s/5000/6000/' equil/continues.namd >equil/onto-itself.namd
play equil/onto-itself.namd
ok 'onto itself: exit code' equal "$code" 0
ok 'onto itself: size' equal "$(size equil/continues.restart.vel)" 15556
ok 'onto itself: the end' equal "$(tail -1 equil/continues.xsc | cut -d' ' -f1)" 7000

# ---- Tcl ------------------------------------------------------------------------

tree 'a dir, with $x & "quotes" isn'\''t rare'
cat >equil/tcl.namd <<'CONFIG'
source short.tcl ; # a comment behind a semicolon
source cell.tcl
parameters $common/tip3p.prm   # a comment behind a value
set name(1) arr; set i 1
set stages {100 200}
set total 0
foreach stage $stages { incr total $stage }
for {set i 0} {$i < 3} {incr i} {
    set last "i is $i"   ;# in a loop
}
while {$i > 0} { incr i -1 }
if {$total == 300 && [file exists $common/water.psf]} {
    outputName tcl_$env(MEMBER)
} elseif {0} { outputName wrong } else { outputName wrong }
print $last, $name(1), [expr 7 / 2], [expr {7 / 2.0}], [expr -7 % 3], [expr {(1 + 2) * 3}], [expr {"a" eq "b"}]
puts "bare text"
nsPerDay=on
firsttimestep \
    40
run [expr $total / 15]
langevinTemp 310
checkpoint
run norepeat 20
revert
output half
CONFIG
MEMBER=7
export MEMBER
play "$PWD/equil/tcl.namd" +idlepoll +p 3 +devices 0,1 --restartsave yes
ok 'Tcl: exit code' equal "$code" 0
grep -v '^TCL: i is\|^bare text$' "$work/log" >"$work/before"
ok 'Tcl: lines of NAMD' as_namd "$work/before"
ok 'Tcl: values' has "$work/log" 'TCL: i is 2, arr, 3, 3.5, 2, 9, 0'
ok 'Tcl: puts' has "$work/log" 'bare text'
ok 'Tcl: processors' has "$work/log" 'Info: Running on 3 processors, 1 nodes, 1 physical nodes.'
ok 'Tcl: keyword from the command line' has "$work/log" 'Info: Command-line argument is --restartsave yes'
ok 'Tcl: no step repeated' equal "$(lines '^ENERGY:      60' "$work/log")" 1
ok 'Tcl: a change in between' has "$work/log" 'TCL: Setting parameter langevinTemp to 310'
ok 'Tcl: outputs in between' equal "$(size equil/half.coor)" 15556
ok 'Tcl: final outputs' equal "$(tail -1 equil/tcl_7.xsc | cut -d' ' -f1)" 80
ok 'Tcl: the unit of a time' grep -q 'step, [0-9.]* ns/days, ' "$work/log"

tree whole
awk '{ printf "%s\r\n", $0 }' equil/water.namd >equil/crlf.namd
play equil/crlf.namd
ok 'line ends of Windows' equal "$code $(tail -1 equil/water_equil.xsc | cut -d' ' -f1)" '0 5000'

# ---- failures, in the words of NAMD ---------------------------------------------

# fails MESSAGE CONFIG [ARGUMENT...]: exit code 1, the message on both streams
# and on no other line, the end of NAMD, and no word of success.
fails() {
    message=$1
    shift
    play "$@"
    ok "$message: exit code" equal "$code" 1
    ok "$message: stdout" has "$work/log" "FATAL ERROR: $message"
    ok "$message: stderr" equal "$(head -1 "$work/err")" "FATAL ERROR: $message"
    ok "$message: the end" equal "$(tail -1 "$work/log")" '[Partition 0][Node 0] End of program'
    ok "$message: no success" has_not "$work/log" '^WallClock'
    grep -v '^FATAL' "$work/log" >"$work/before"
    ok "$message: lines of NAMD" as_namd "$work/before"
}
# with TEXT: a configuration that runs, but for the text put in front of the run.
with() {
    printf 'source short.tcl\nsource cell.tcl\nparameters ../common/tip3p.prm\noutputName x\n%s\nrun 20\n' "$1" >equil/with.namd
}
# without SCRIPT: the same, but for what the sed script takes out or changes.
without() {
    with ''
    cat equil/short.tcl equil/cell.tcl equil/with.namd | sed '/^source/d' | sed "$1" >equil/without.namd
}

tree failures
fails 'No simulation config file specified on command line.'
fails 'Unable to access config file nothere.namd' nothere.namd
fails 'nodir: No such file or directory' nodir/nothere.namd
fails 'UNABLE TO OPEN CHARMM PARAMETER FILE ../common/nowhere.prm' equil/fails.namd
ok 'looks for compressed twins' has "$work/log" 'Filename.gz = ../common/nowhere.prm.gz'
fails 'Periodic cell has become too small for original patch grid!' equil/crashes.namd
ok 'crashes: the last step' equal "$(grep '^ENERGY' "$work/log" | tail -1 | awk '{ print $2 }')" 240
ok 'crashes: leaves a restart' equal "$(tail -1 equil/crashes.restart.xsc | cut -d' ' -f1)" 200
without 's/water.psf/nope.psf/'
fails 'UNABLE TO OPEN .psf FILE ../common/nope.psf' equil/without.namd
without 's/water.pdb/nope.pdb/'
fails "Cannot open file '../common/nope.pdb' for input in PDB::PDB.: No such file or directory" equil/without.namd
without 's/water.psf/water.pdb/'
fails 'UNABLE TO FIND "PSF" STRING IN PSF FILE ../common/water.pdb' equil/without.namd
head -200 common/water.pdb >common/short.pdb
without 's/water.pdb/short.pdb/'
fails 'Number of pdb and psf atoms are not the same!' equil/without.namd
without '/^temperature/d'
fails 'Must have either an initial temperature or a velocity file' equil/without.namd
without '/^parameters/d'
fails 'parameters not found in the configuration file!' equil/without.namd
without '/^cell/d'
fails 'PME requires periodic boundary conditions.' equil/without.namd
without '/^cutoff/d; /^exclude/d; /^outputName/d'
fails 'ERROR(S) IN THE CONFIGURATION FILE' equil/without.namd
ok 'required keywords' equal "$(lines 'is a required configuration option' "$work/log")" 3
with 'timestep 1.0'
fails 'ERROR(S) IN THE CONFIGURATION FILE' equil/with.namd
ok 'given twice' has "$work/log" "ERROR: Multiple definitions of 'timestep'"
with ''
fails 'ERROR(S) IN THE CONFIGURATION FILE' --outputEnergies 5 equil/with.namd
with 'binVelocities x.vel'
fails 'Cannot specify both an initial temperature and a velocity file' equil/with.namd
with 'firsttimestep 30'
fails 'First timestep must be a multiple of stepsPerCycle!!' equil/with.namd
with 'binCoordinates nope.restart.coor'
fails 'Unable to open binary file nope.restart.coor' equil/with.namd
printf '\007\000\000\000' >equil/other.coor
with 'binCoordinates other.coor'
fails 'Incorrect atom count in binary file other.coor' equil/with.namd
printf '\210\002\000\000' >equil/trunc.coor
with 'binCoordinates trunc.coor'
fails 'Error reading binary file trunc.coor' equil/with.namd
with 'extendedSystem nope.restart.xsc'
fails 'Unable to open extended system file.' equil/with.namd
: >equil/empty.xsc
with 'extendedSystem empty.xsc'
fails 'Error reading extended system file.' equil/with.namd
with 'run 15'
fails 'number of steps must be a multiple of stepsPerCycle' equil/with.namd
ok 'where in the file' has "$work/err" '    (file "with.namd" line 5)'
with 'run 10.5'
fails 'expected integer but got "10.5"' equil/with.namd
with 'minimize -5'
fails 'number of steps must be non-negative' equil/with.namd
with 'run 20 # text'
fails 'too many args' equil/with.namd
with 'run 20
cutoff 9.0'
fails 'Setting parameter cutoff from script failed!' equil/with.namd
with 'print $outname'
fails "can't read \"outname\": no such variable" equil/with.namd
with 'set x [expr 1 / 0]'
fails 'divide by zero' equil/with.namd
with 'if {1} {'
fails 'missing close-brace' equil/with.namd
with 'source nothere.tcl'
fails "couldn't read file \"nothere.tcl\": no such file or directory" equil/with.namd
with 'langevinHydrogen'
fails 'tried before startup to read config file parameter that was not set' equil/with.namd
with 'abort "user says stop"'
fails 'TCL: user says stop' equil/with.namd
with 'proc f {} {}'
fails 'namdrunner stand-in: the Tcl command proc needs the real NAMD; put namd3 on PATH' equil/with.namd
sed 's/^outputName.*/outputName nodir\/x/; s/^run 20/run 200/' equil/with.namd | sed '/^proc/d' >equil/nodir.namd
sed 's/^xstFreq.*/xstFreq 0/' equil/short.tcl >equil/short.new && mv equil/short.new equil/short.tcl
fails 'Unable to open text file nodir/x.restart.xsc: No such file or directory' equil/nodir.namd
ok 'found at the first write only' has "$work/log" 'TCL: Running for 200 steps'

# ---- runs of no length, and the run that is not called --------------------------

without '/^run/d'
play equil/without.namd
ok 'no run: ends at step 0' equal "$code $(lines '^ENERGY:' "$work/log")" '0 1'
without 's/^run 20/numsteps 40/'
play equil/without.namd
ok 'numsteps: ends there' equal "$code $(tail -1 equil/x.xsc | cut -d' ' -f1)" '0 40'
ok 'numsteps: no word of Tcl' has_not "$work/log" '^TCL: Running'
with 'numsteps 500'
play equil/with.namd
ok 'numsteps and run' has "$work/log" 'TCL: Original numsteps 500 will be ignored.'
without '/^cell/d; /^PME/d; s/^wrapAll.*//'
play equil/without.namd
ok 'no cell: lines of NAMD' as_namd "$work/log"
ok 'no cell: 15 columns' equal "$(grep '^ENERGY:' "$work/log" | awk 'NR == 1 { print NF }')" 16

# ---- mishaps, pace and signals ----------------------------------------------------

play equil/exits.namd
ok 'exits: code' equal "$code" 3
ok 'exits: without a word' equal "$(grep -c 'FATAL\|WallClock\|End of program' "$work/log")$(cat "$work/err")" 0
with '# namd-stand-in: kill SEGV at 10
# namd-stand-in: say Stray PME grid charges at 5'
play equil/with.namd
ok 'killed: by that signal' equal "$(kill -l "$code" 2>/dev/null)" SEGV
ok 'says what it is told' has "$work/log" 'Stray PME grid charges'
with '# namd-stand-in: dance'
play equil/with.namd
ok 'an unknown directing comment' equal "$code" 1

with '# namd-stand-in: seconds-per-1000-steps 100'
began=$(date +%s)
play equil/with.namd
took=$(($(date +%s) - began))
ok "pace: 20 steps at 10 a second took $took s" test "$took" -ge 1 -a "$took" -le 20

# ended WHAT CONFIG WORD: a run that is ended by SIGTERM after a line that begins
# with WORD goes at once, without a word, and leaves nobody who holds its stdout
# (the reader below would wait for that one).
ended() {
    rm -f "$work/pipe"
    mkfifo "$work/pipe"
    began=$(date +%s)
    sh "$stand_in" "$2" >"$work/pipe" 2>"$work/err" &
    process=$!
    exec 3<"$work/pipe"
    while read -r word rest <&3 && [ "$word" != "$3" ]; do :; done
    ok "$1: alive" kill -TERM "$process"
    wait "$process" 2>/dev/null
    ok "$1: code" equal "$?" 143
    cat <&3 >"$work/after"
    exec 3<&-
    took=$(($(date +%s) - began))
    ok "$1: at once ($took s)" test "$took" -le 10
    ok "$1: without a word" equal "$(grep -c 'FATAL\|WallClock\|End of program' "$work/after")$(cat "$work/err")" 0
}
ended 'cancelled run' equil/lingers.namd ENERGY:
with '# namd-stand-in: say here it stops at 10
# namd-stand-in: hang at 10'
ended 'hanging run' equil/with.namd here
ok 'hanging run: hung at that step' has_not "$work/after" '^ENERGY: *20 '

# ---- the water box ----------------------------------------------------------------

cd "$work" || exit 1
if command -v python3 >/dev/null; then
    ok 'the water box is what make-water.py writes' python3 "$here/make-water.py" --check
fi
ok 'small enough to ship' test "$(cat "$demo"/water/*/* | wc -c)" -le 200000

if [ "$failures" -gt 0 ]; then
    printf '%s of %s checks of the stand-in failed\n' "$failures" "$checks"
    exit 1
fi
printf 'all %s checks of the stand-in passed\n' "$checks"
