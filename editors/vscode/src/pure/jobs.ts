/** The jobs as this window knows them: a list once, then what is told. Pure but for its listeners. */

import type {
  ClusterStatus,
  JobDeleted,
  JobProgressed,
  JobStatusChanged,
  ListJobsResult,
  Status,
} from "../../../../protocol/namdrunner";
import { ended, type ShownJob } from "./words";

/** What happened to the list. */
export type News =
  | { kind: "all" }
  | { kind: "job"; job: ShownJob; from?: Status }
  | { kind: "gone"; jobId: string }
  | { kind: "cluster"; name: string };

/** The order in which statuses are listed. */
export const ORDER: readonly Status[] = [
  "RUNNING",
  "PENDING",
  "CREATED",
  "FAILED",
  "UNKNOWN",
  "CANCELLED",
  "COMPLETED",
];

/** Whether one job was made after another. */
function newer(one: ShownJob, other: ShownJob): boolean {
  return one.createdAt === other.createdAt ? one.jobId > other.jobId : one.createdAt > other.createdAt;
}

export class Jobs {
  private readonly jobs = new Map<string, ShownJob>();
  private readonly known = new Map<string, ClusterStatus>();
  private readonly listeners = new Set<(news: News) => void>();
  private store: string | undefined;

  /** Calls a listener from now on; gives what ends that. */
  listen(listener: (news: News) => void): { dispose(): void } {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }

  /** Takes a page of `listJobs`. */
  fill(page: ListJobsResult): void {
    if (this.store !== page.storeId) {
      this.jobs.clear();
      this.store = page.storeId;
    }
    for (const job of page.jobs) {
      const before = this.jobs.get(job.jobId);
      if (!before || before.updatedAt <= job.updatedAt) this.jobs.set(job.jobId, job);
    }
    this.tell({ kind: "all" });
  }

  /** Takes `jobStatusChanged`. */
  changed(change: JobStatusChanged): void {
    this.jobs.set(change.jobId, change.job);
    this.tell({ kind: "job", job: change.job, from: change.from });
  }

  /** Takes `jobProgress`. */
  progressed(told: JobProgressed): void {
    const job = this.jobs.get(told.jobId);
    if (!job) return;
    const now = { ...job, progress: told.progress, diagnosis: told.diagnosis };
    this.jobs.set(told.jobId, now);
    this.tell({ kind: "job", job: now, from: job.status });
  }

  /** Takes `jobDeleted`. */
  deleted(told: JobDeleted): void {
    this.jobs.delete(told.jobId);
    this.tell({ kind: "gone", jobId: told.jobId });
  }

  /** Takes a cluster's state. */
  cluster(state: ClusterStatus): void {
    this.known.set(state.name, state);
    this.tell({ kind: "cluster", name: state.name });
  }

  get(id: string): ShownJob | undefined {
    return this.jobs.get(id);
  }

  /** All jobs, newest first. */
  all(): ShownJob[] {
    return [...this.jobs.values()].sort((a, b) => (newer(a, b) ? -1 : 1));
  }

  /** The job a config belongs to: the latest with its path. */
  ofConfig(path: string): ShownJob | undefined {
    let latest: ShownJob | undefined;
    for (const job of this.jobs.values()) {
      if (job.configPath === path && (!latest || newer(job, latest))) latest = job;
    }
    return latest;
  }

  clusters(): ClusterStatus[] {
    return [...this.known.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  counts(): { running: number; pending: number } {
    let [running, pending] = [0, 0];
    for (const job of this.jobs.values()) {
      if (job.status === "RUNNING") running += 1;
      if (job.status === "PENDING") pending += 1;
    }
    return { running, pending };
  }

  /** Jobs by cluster and status, in the order they are shown. */
  grouped(filter?: string): { cluster: string; groups: { status: Status; jobs: ShownJob[] }[] }[] {
    const wanted = filter?.toLowerCase();
    const fits = (job: ShownJob) =>
      !wanted ||
      [job.jobName, job.jobId, job.slurmJobId ?? "", job.status, job.cluster]
        .join(" ")
        .toLowerCase()
        .includes(wanted);
    const byCluster = new Map<string, Map<Status, ShownJob[]>>();
    if (!wanted) for (const name of this.known.keys()) byCluster.set(name, new Map());
    for (const job of this.all().filter(fits)) {
      const groups = byCluster.get(job.cluster) ?? new Map<Status, ShownJob[]>();
      byCluster.set(job.cluster, groups);
      const known = groups.get(job.status);
      if (known) known.push(job);
      else groups.set(job.status, [job]);
    }
    const rank = (status: Status) => (ORDER.indexOf(status) + 1 || ORDER.length + 1);
    return [...byCluster]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([cluster, groups]) => ({
        cluster,
        groups: [...groups]
          .map(([status, jobs]) => ({ status, jobs }))
          .sort((a, b) => rank(a.status) - rank(b.status)),
      }));
  }

  /** Forgets everything: the server is gone. */
  clear(): void {
    this.jobs.clear();
    this.known.clear();
    this.store = undefined;
    this.tell({ kind: "all" });
  }

  private tell(news: News): void {
    for (const listener of this.listeners) listener(news);
  }
}

/** Gathers ends of jobs, so that a burst is one message. */
export class Ends {
  private waiting: ShownJob[] = [];

  constructor(
    private readonly kind: () => "all" | "failures" | "none",
    private readonly later: (run: () => void) => void,
    private readonly say: (jobs: ShownJob[]) => void,
  ) {}

  take(job: ShownJob, from: Status | undefined): void {
    if (!from || from === job.status || ended(from) || !ended(job.status)) return;
    const kind = this.kind();
    if (kind === "none" || (kind === "failures" && job.status === "COMPLETED")) return;
    this.waiting.push(job);
    if (this.waiting.length > 1) return;
    this.later(() => {
      const told = this.waiting;
      this.waiting = [];
      this.say(told);
    });
  }
}
