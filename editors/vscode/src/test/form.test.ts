import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { changed, FIELDS, mistake, seconds, shown } from "../pure/form";

test("the form has the fields of the server's own schema, each of its kind", () => {
  const { components } = JSON.parse(readFileSync(join(process.cwd(), "../../protocol/openrpc.json"), "utf8"));
  const properties: Record<string, { type: string | string[] }> = components.schemas.Resources.properties;
  assert.deepEqual(FIELDS.map(({ key }) => key as string).sort(), Object.keys(properties).sort());
  const kinds = { count: "integer", time: "integer", text: "string", list: "array" };
  for (const { key, kind } of FIELDS) {
    const type = properties[key]?.type;
    assert.ok([type].flat().includes(kinds[kind]), `${key} is a ${String(type)}`);
  }
});

test("times are read as Slurm reads them", () => {
  const read = { "90": 5400, "3:04": 184, "2:03:04": 7384, "1-02": 93600, "1-02:03": 93780, "1-02:03:04": 93784 };
  for (const [text, value] of Object.entries(read)) assert.equal(seconds(text), value, text);
  for (const text of ["", "soon", "1:2:3:4", "-5", "1.5"]) assert.equal(seconds(text), undefined, text);
});

test("a field is set, left to the cluster, and refused with what it takes", () => {
  const field = (key: string) => FIELDS.find((one) => one.key === key)!;
  assert.deepEqual(changed({ memory: "1G" }, field("walltime"), " 1:30:00 "), { memory: "1G", walltime: 5400 });
  assert.deepEqual(changed({ walltime: 60, nodes: 1 }, field("walltime"), ""), { nodes: 1 });
  assert.deepEqual(changed({}, field("extra"), "--exclusive --mail-type=END"), { extra: ["--exclusive", "--mail-type=END"] });
  assert.deepEqual(changed({}, field("ntasks"), "4"), { ntasks: 4 });
  assert.equal(shown(field("walltime"), { walltime: 5400 }), "1:30:00");
  assert.equal(shown(field("extra"), { extra: ["--a", "--b"] }), "--a --b");
  assert.equal(shown(field("qos"), {}), "");
  assert.equal(mistake(field("ntasks"), ""), undefined);
  assert.ok(mistake(field("ntasks"), "0") && mistake(field("ntasks"), "many"));
  assert.ok(mistake(field("walltime"), "soon")?.includes("2:00:00"));
  assert.ok(mistake(field("extra"), "exclusive"));
});
