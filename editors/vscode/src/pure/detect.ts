/** Tells a NAMD config from other files with the same ending, by its keywords. Pure. */

// Keywords that hardly mean anything elsewhere; the server's list (src/namd/config.rs).
const STRONG = new Set(
  `structure paratypecharmm exclude 1-4scaling onefourscaling bincoordinates binvelocities
  extendedsystem outputname fullelectfrequency stepspercycle langevinpiston langevintemp
  pmegridspacing rigidbonds pairlistdist switchdist nonbondedfreq parmfile cellbasisvector1 wrapall`.split(/\s+/),
);
const COMMON = new Set(
  `coordinates parameters temperature cutoff timestep restartfreq dcdfreq xstfreq outputenergies
  switching pme langevin langevindamping dielectric firsttimestep minimize run numsteps colvars margin
  seed cwd`.split(/\s+/),
);

/** Whether a file of this name may be a config, if its text is one. */
export function maybeConfig(path: string): boolean {
  return /\.(conf|inp|tcl|config)$/i.test(path);
}

/** Whether a text is a NAMD config: three different keywords, one of them NAMD's own. */
export function isConfig(text: string): boolean {
  const seen = new Set<string>();
  let sure = false;
  for (const line of text.slice(0, 65536).split("\n")) {
    const word = /^\s*([\w-]+)[\s=]/.exec(line)?.[1]?.toLowerCase();
    if (!word || !(STRONG.has(word) || COMMON.has(word))) continue;
    seen.add(word);
    sure ||= STRONG.has(word);
  }
  return sure && seen.size >= 3;
}
