import type { JobProgress } from "../../../../protocol/namdrunner";
import type { ShownJob } from "../pure/words";

/** A job with some fields of its own. */
export function job(fields: Partial<ShownJob>): ShownJob {
  return {
    jobId: "water_01hx",
    jobName: "water",
    cluster: "hpc",
    configPath: "/x/a.namd",
    configSha256: "aa",
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    status: "CREATED",
    phase: "staged",
    restarts: 0,
    labels: {},
    observed: { stale: false },
    projectDir: "/p",
    scratchDir: "/s",
    resources: {},
    attempt: 0,
    attempts: [],
    results: { state: "none", files: 0, bytes: 0 },
    ...fields,
  } as ShownJob;
}

/** How far a run is, with some fields of its own. */
export function run(fields: Partial<JobProgress>): JobProgress {
  return { segment: 1, minimizing: false, step: 0, stepsDone: 0, nsDone: 0, warnings: 0, ...fields };
}
