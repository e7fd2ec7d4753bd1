import assert from "node:assert/strict";
import { test } from "node:test";

import { page } from "../pure/html";
import { job, run } from "./job";

const EVIL = `"><img src=x onerror=alert(1)>'&`;

test("nothing foreign becomes markup", () => {
  const html = page(
    {
      job: job({
        jobName: EVIL,
        status: "FAILED",
        cause: { code: "exitCode", text: EVIL },
        configPath: EVIL,
        diagnosis: { cause: "x", summary: EVIL, evidence: [{ source: EVIL, text: EVIL, file: EVIL }], advice: [{ code: "x", text: EVIL, safeToRepeat: true }] },
      }),
      history: [{ seq: 1, at: EVIL, to: "FAILED", source: "log", evidence: EVIL, attempt: 1, secondsInFrom: 0 } as never],
      files: [{ path: EVIL, role: EVIL, bytes: 3, place: EVIL as never, input: false }],
      log: EVIL,
    },
    "bm9uY2U=",
    0,
  );
  assert.ok(!html.includes("<img"), html);
  assert.ok(html.includes("default-src 'none'"));
  assert.equal((html.match(/<script/g) ?? []).length, 1);
  const tags = html.replace(/<(script|style)[^>]*>[^]*?<\/\1>/g, "").match(/<[^>]*>/g) ?? [];
  for (const tag of tags) assert.ok(!/\s(src|href|on\w+)\s*=/.test(tag.replace(/"[^"]*"/g, "")), tag);
});

test("the buttons fit the status", () => {
  const shown = (status: string) =>
    page({ job: job({ status: status as never }), history: [], files: [], log: "" }, "x", 0);
  assert.ok(shown("RUNNING").includes('data-action="cancel"'));
  assert.ok(!shown("RUNNING").includes('data-action="submit"'));
  assert.ok(shown("COMPLETED").includes('data-action="download"'));
  assert.ok(shown("CREATED").includes('data-action="submit"'));
  assert.ok(!shown("CREATED").includes('data-action="cancel"'));
});

test("progress is told to screen readers", () => {
  const html = page(
    {
      job: job({ status: "RUNNING", phase: "running", progress: run({ stepsDone: 1, totalSteps: 4 }) }),
      history: [],
      files: [],
      log: "",
    },
    "x",
    0,
  );
  assert.ok(html.includes('role="progressbar"') && html.includes('aria-valuenow="25"'), html);
});

test("what a run wrote can be fetched, and an advice be followed", () => {
  const html = page(
    {
      job: job({
        status: "FAILED",
        diagnosis: {
          cause: "timeLimit",
          summary: "The wall-clock limit ended it.",
          evidence: [],
          advice: [
            { code: "requestTime", text: "Ask for 06:00:00.", safeToRepeat: false, edit: { walltime: 21_600 } },
            { code: "correct", text: "Correct it.", safeToRepeat: false },
          ],
        },
      }),
      history: [],
      files: [
        { path: "equil/a.coor", role: "restart", bytes: 3, place: "scratch", input: false },
        { path: "equil/a.psf", role: "structure", bytes: 3, place: "project", input: true },
        { path: ".namdrunner/exit", role: "control", bytes: 3, place: "scratch", input: false },
      ],
      log: "",
    },
    "x",
    0,
  );
  assert.ok(html.includes('data-action="advice:0"') && !html.includes('data-action="advice:1"'), html);
  assert.deepEqual(html.match(/data-action="get:[^"]*"/g), ['data-action="get:equil/a.coor"']);
});
