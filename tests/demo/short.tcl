# Settings that the test configurations beside this file share. Put next to
# water.namd (src/cli/demo/water/equil), from where ../common is found.
set common         ../common
structure          $common/water.psf
coordinates        $common/water.pdb
paraTypeCharmm     on
exclude            scaled1-4
switching          on
switchDist         7.0
cutoff             8.0
pairlistDist       9.0
PME                on
PMEGridSpacing     1.0
wrapAll            on
timestep           2.0
rigidBonds         all
fullElectFrequency 2
stepsPerCycle      20
langevin           on
langevinTemp       300
langevinDamping    1.0
restartFreq        100
DCDfreq            100
xstFreq            100
outputEnergies     20
outputTiming       20
