import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { isConfig, maybeConfig } from "../pure/detect";

test("configs are known by what is in them", () => {
  assert.ok(maybeConfig("/x/step4_equilibration.inp") && maybeConfig("a.CONF") && !maybeConfig("a.txt"));
  assert.ok(isConfig("# x\nstructure a.psf\ncoordinates=b.pdb\noutputName o\nrun 10\n"));
  assert.ok(!isConfig("server {\n  listen 80;\n}\n"));
  assert.ok(!isConfig("set x 1\nrun 10\ntemperature 300\n"));
});

test("the grammar's keywords are those of NAMD", () => {
  const path = join(process.cwd(), "syntaxes/namd.tmLanguage.json");
  const names = readFileSync(join(process.cwd(), "../../src/namd/keywords.tsv"), "utf8")
    .split("\n")
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => line.split("\t")[0] ?? "");
  names.sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const grammar = JSON.parse(readFileSync(path, "utf8"));
  const expected = `(?i)(?<=^|[\\s;{])(?:${names.join("|")})(?=[\\s=]|$)`;
  if (process.env["NAMDRUNNER_UPDATE"]) {
    grammar.repository.keyword.match = expected;
    writeFileSync(path, `${JSON.stringify(grammar, null, 1)}\n`);
  }
  assert.equal(grammar.repository.keyword.match, expected, "stale; run once with NAMDRUNNER_UPDATE=1");
  assert.ok(names.length > 600);
});

test("every command is contributed and every contributed command is there", () => {
  const { contributes } = JSON.parse(readFileSync(join(process.cwd(), "package.json"), "utf8"));
  const source = readFileSync(join(process.cwd(), "src/extension.ts"), "utf8");
  for (const { command } of contributes.commands as { command: string }[]) {
    const action = /^namdrunner\.job\.(\w+)$/.exec(command)?.[1];
    assert.ok(source.includes(`"${command}"`) || (action && source.includes(`"${action}"`)), command);
  }
});
