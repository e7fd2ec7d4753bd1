import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, fraction, headline, icon, size, span, used } from "../pure/words";
import { job, run } from "./job";

const NOW = Date.parse("2026-01-01T02:00:00Z");

test("times and sizes are for people", () => {
  assert.equal(clock(5), "0:05");
  assert.equal(clock(3661), "1:01:01");
  assert.equal(clock(90061), "1-01:01:01");
  assert.equal(span(59), "59 s");
  assert.equal(span(7500), "2 h 5 min");
  assert.equal(span(200000), "2 d 7 h");
  assert.equal(size(999), "999 B");
  assert.equal(size(81920), "82 kB");
  assert.equal(size(4_240_000), "4.2 MB");
});

test("a job is told in one line", () => {
  assert.equal(headline(job({}), NOW), "CREATED");
  assert.equal(
    headline(
      job({
        status: "PENDING",
        phase: "queued",
        reason: { code: "Priority", text: "Jobs with a higher priority come first.", class: "willStart" },
      }),
      NOW,
    ),
    "PENDING · Jobs with a higher priority come first",
  );
  assert.equal(
    headline(
      job({
        status: "RUNNING",
        phase: "running",
        progress: run({ stepsDone: 450, totalSteps: 1000, nsPerDay: 12.344, etaSeconds: 7500 }),
        observed: { stale: true },
      }),
      NOW,
    ),
    "RUNNING · 45 % · 12.34 ns/day · ETA 2 h 5 min · not confirmed lately",
  );
  assert.equal(
    headline(job({ status: "FAILED", cause: { code: "exitCode", text: "It ended with exit code 3." } }), NOW),
    "FAILED · It ended with exit code 3",
  );
});

test("a running job's time is counted on, a suspended one's is not", () => {
  const running = job({ status: "RUNNING", phase: "running", startedAt: "2026-01-01T01:00:00.000Z", timeUsedSeconds: 5 });
  assert.equal(used(running, NOW), 3600);
  assert.equal(used({ ...running, phase: "suspended" }, NOW), 5);
});

test("what is not known is not shown", () => {
  assert.equal(fraction(job({ progress: run({ step: 5 }) })), undefined);
  assert.equal(icon("DANCING" as never), "circle-outline");
});
