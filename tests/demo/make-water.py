#!/usr/bin/env python3
"""Makes the water box of the demo: common/water.psf and common/water.pdb.

    make-water.py          writes the two files
    make-water.py --check  says whether the two files are what this would write

216 TIP3P molecules stand on a 6 x 6 x 6 lattice at the density of liquid water
(0.997 g/cm3 at 298 K, hence a cube of 18.6206 A), each turned by a rotation
drawn from a fixed sequence, so the files come out the same on every machine.
The start is therefore crude: water.namd minimises it before it runs.

Formats: X-PLOR PSF as psfgen writes it (atom types by name, the H-H bond that
CHARMM's TIP3 residue carries); PDB with the residue name in columns 18-21 and
the segment name in columns 73-76, as VMD and psfgen write them.
"""

import math
import pathlib
import sys

SIDE = 6  # molecules along one edge
EDGE = 18.6206  # Angstrom
BOND = 0.9572  # Angstrom, O-H (Jorgensen et al. 1983)
ANGLE = math.radians(104.52)  # H-O-H
SITES = (  # name, type, charge in e, mass in u
    ("OH2", "OT", -0.834, 15.9994),
    ("H1", "HT", 0.417, 1.008),
    ("H2", "HT", 0.417, 1.008),
)
TITLE = "216 TIP3P water molecules made by make-water.py for NAMDRunner's demo"


def sequence(seed):
    """Numbers in [0, 1) from a linear congruential generator (modulus 2^32)."""
    state = seed
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state / 2**32


def rotation(numbers):
    """A uniformly drawn rotation matrix, by a unit quaternion (Shoemake)."""
    u, v, w = next(numbers), next(numbers), next(numbers)
    a, b = math.sqrt(1 - u), math.sqrt(u)
    x, y = a * math.sin(2 * math.pi * v), a * math.cos(2 * math.pi * v)
    z, s = b * math.sin(2 * math.pi * w), b * math.cos(2 * math.pi * w)
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * s), 2 * (x * z + y * s)),
        (2 * (x * y + z * s), 1 - 2 * (x * x + z * z), 2 * (y * z - x * s)),
        (2 * (x * z - y * s), 2 * (y * z + x * s), 1 - 2 * (x * x + y * y)),
    )


def positions():
    """The sites of all molecules, in the order of the PSF, about the origin."""
    hydrogen = (BOND * math.sin(ANGLE / 2), BOND * math.cos(ANGLE / 2), 0.0)
    molecule = ((0.0, 0.0, 0.0), hydrogen, (-hydrogen[0], hydrogen[1], 0.0))
    numbers = sequence(216)
    step = EDGE / SIDE
    for cell in range(SIDE**3):
        index = (cell // SIDE**2, cell // SIDE % SIDE, cell % SIDE)
        centre = [(i + 0.5) * step - EDGE / 2 for i in index]
        matrix = rotation(numbers)
        for site in molecule:
            yield [
                c + sum(m * p for m, p in zip(row, site))
                for c, row in zip(centre, matrix)
            ]


def section(count, title, numbers, per_line):
    """One list section of a PSF: eight columns a number, so many on a line."""
    lines = [f"{count:8d} {title}"]
    for start in range(0, len(numbers), per_line):
        lines.append("".join(f"{n:8d}" for n in numbers[start : start + per_line]))
    if not numbers:
        lines.append("")
    return lines + [""]


def psf():
    molecules = SIDE**3
    lines = ["PSF", "", "       1 !NTITLE", f" REMARKS {TITLE}", ""]
    lines.append(f"{3 * molecules:8d} !NATOM")
    for molecule in range(molecules):
        for site, (name, kind, charge, mass) in enumerate(SITES):
            atom = 3 * molecule + site + 1
            lines.append(
                f"{atom:8d} {'WAT':<4} {molecule + 1:<4d} {'TIP3':<4} {name:<4} "
                f"{kind:<4} {charge:10.6f}     {mass:9.4f}  {0:10d}"
            )
    lines.append("")
    first = [3 * m + 1 for m in range(molecules)]
    bonds = [n for o in first for n in (o, o + 1, o, o + 2, o + 1, o + 2)]
    angles = [n for o in first for n in (o + 1, o, o + 2)]
    lines += section(3 * molecules, "!NBOND: bonds", bonds, 8)
    lines += section(molecules, "!NTHETA: angles", angles, 9)
    lines += section(0, "!NPHI: dihedrals", [], 8)
    lines += section(0, "!NIMPHI: impropers", [], 8)
    lines += section(0, "!NDON: donors", [], 8)
    lines += section(0, "!NACC: acceptors", [], 8)
    lines += section(0, "!NNB", [0] * (3 * molecules), 8)
    lines += section(1, "      0 !NGRP", [0, 0, 0], 9)
    return "\n".join(lines) + "\n"


def pdb():
    lines = [
        f"REMARK   {TITLE}",
        f"CRYST1{EDGE:9.3f}{EDGE:9.3f}{EDGE:9.3f}  90.00  90.00  90.00 P 1           1",
    ]
    for index, (x, y, z) in enumerate(positions()):
        name = SITES[index % 3][0]
        lines.append(
            f"ATOM  {index + 1:5d}  {name:<3} TIP3W{index // 3 + 1:4d}    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}{1:6.2f}{0:6.2f}      {'WAT':<4}{name[0]:>2}"
        )
    return "\n".join(lines + ["END"]) + "\n"


def main():
    folder = pathlib.Path(__file__).resolve().parents[2] / "src/cli/demo/water/common"
    wrong = 0
    for name, text in (("water.psf", psf()), ("water.pdb", pdb())):
        path = folder / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif path.read_text() != text:
            print(f"{path} is not what make-water.py writes", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
