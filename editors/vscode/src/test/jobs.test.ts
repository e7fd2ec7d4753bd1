import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { Ends, Jobs } from "../pure/jobs";
import type { ShownJob } from "../pure/words";
import { job } from "./job";

const TRANSCRIPTS = join(process.cwd(), "../../protocol/transcripts");

/** The messages from the server in a recorded dialogue. */
function told(text: string): Record<string, any>[] {
  const messages: Record<string, any>[] = [];
  let current: string[] | undefined;
  const finish = () => {
    if (current) {
      try {
        messages.push(JSON.parse(current.join("\n")));
      } catch {
        // Bytes that are no message are part of some dialogues.
      }
    }
    current = undefined;
  };
  for (const line of text.split("\n")) {
    if (line.startsWith("<-- ")) {
      finish();
      current = [line.slice(4)];
    } else if (line.startsWith("-->") || line.startsWith("```")) finish();
    else current?.push(line);
  }
  finish();
  return messages;
}

test("recorded dialogues leave the list as the server has it", () => {
  let changes = 0;
  for (const name of readdirSync(TRANSCRIPTS)) {
    const jobs = new Jobs();
    const truth = new Map<string, string>();
    for (const { method, params, result } of told(readFileSync(join(TRANSCRIPTS, name), "utf8"))) {
      if (method === "jobStatusChanged") {
        jobs.changed(params);
        truth.set(params.jobId, params.to);
        changes += 1;
      } else if (method === "jobDeleted") {
        jobs.deleted(params);
        truth.delete(params.jobId);
      } else if (method === "clusterStatusChanged") jobs.cluster(params.status);
      else if (result?.jobs && result.storeId) {
        jobs.fill(result);
        for (const one of result.jobs) truth.set(one.jobId, one.status);
      }
    }
    assert.deepEqual(new Map(jobs.all().map((one) => [one.jobId, one.status])), truth, name);
  }
  assert.ok(changes > 3, "the dialogues tell of changes");
});

test("jobs are grouped and filtered", () => {
  const jobs = new Jobs();
  jobs.fill({
    storeId: "s",
    seq: 1,
    jobs: [
      job({ jobId: "a", status: "PENDING" }),
      job({ jobId: "b", status: "RUNNING", jobName: "hairpin" }),
      job({ jobId: "c", cluster: "other", status: "COMPLETED" }),
    ],
  });
  jobs.cluster({ name: "idle", health: "ok" } as never);
  assert.deepEqual(
    jobs.grouped().map(({ cluster, groups }) => [cluster, groups.map(({ status }) => status)]),
    [["hpc", ["RUNNING", "PENDING"]], ["idle", []], ["other", ["COMPLETED"]]],
  );
  assert.deepEqual(jobs.grouped("HAIR").map(({ cluster }) => cluster), ["hpc"]);
  jobs.fill({ storeId: "another", seq: 1, jobs: [] });
  assert.equal(jobs.all().length, 0, "another store's jobs are not mixed in");
});

test("2,000 jobs are grouped without a visible wait", () => {
  const jobs = new Jobs();
  const many = Array.from({ length: 2000 }, (_, n) => job({ jobId: `j${n}`, status: n % 3 ? "PENDING" : "RUNNING" }));
  jobs.fill({ storeId: "s", seq: 1, jobs: many });
  const began = performance.now();
  jobs.grouped("water");
  assert.ok(performance.now() - began < 500);
});

test("an older page does not overwrite what was told since", () => {
  const jobs = new Jobs();
  jobs.fill({ storeId: "s", seq: 1, jobs: [job({ status: "RUNNING", updatedAt: "2026-01-01T00:00:05.000Z" })] });
  jobs.fill({ storeId: "s", seq: 1, jobs: [job({ status: "PENDING", updatedAt: "2026-01-01T00:00:01.000Z" })] });
  assert.equal(jobs.get("water_01hx")?.status, "RUNNING");
});

test("ends are told once, and a burst in one message", () => {
  const said: ShownJob[][] = [];
  const later: (() => void)[] = [];
  let kind: "all" | "failures" | "none" = "all";
  const ends = new Ends(() => kind, (run) => later.push(run), (jobs) => said.push(jobs));
  ends.take(job({ status: "COMPLETED" }), "RUNNING");
  ends.take(job({ status: "FAILED" }), "RUNNING");
  ends.take(job({ status: "FAILED" }), "FAILED");
  ends.take(job({ status: "FAILED" }), undefined);
  for (const run of later.splice(0)) run();
  assert.deepEqual(said.map((jobs) => jobs.length), [2]);
  kind = "failures";
  ends.take(job({ status: "COMPLETED" }), "RUNNING");
  assert.equal(later.length, 0);
});
