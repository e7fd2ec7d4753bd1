/** Jobs in words: what stands in the tree, the status bar, the page and notifications. Pure. */

import type { Job, Phase, Status } from "../../../../protocol/namdrunner";

/** A job as it is shown. */
export type ShownJob = Job;

const ENDED: readonly Status[] = ["COMPLETED", "FAILED", "CANCELLED", "UNKNOWN"];

/** Whether nothing more happens by itself. */
export function ended(status: Status): boolean {
  return ENDED.includes(status);
}

const pad = (n: number) => String(n).padStart(2, "0");

/** Seconds as Slurm writes a time: `1-02:03:04`, `2:03:04`, `3:04`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86400);
  const hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60;
  if (days > 0) return `${days}-${pad(hours)}:${pad(minutes)}:${pad(whole % 60)}`;
  if (hours > 0) return `${hours}:${pad(minutes)}:${pad(whole % 60)}`;
  return `${minutes}:${pad(whole % 60)}`;
}

/** Seconds for people: `3 d 4 h`, `2 h 5 min`, `40 s`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  const hours = Math.floor(whole / 3600);
  if (whole < 86400) {
    const minutes = Math.floor(whole / 60) % 60;
    return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  }
  return hours % 24 > 0 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
}

/** A size for people. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes / 1000, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

const FINER: Partial<Record<Phase, string>> = {
  waitingForLogin: "waiting for a login",
  waitingForRoom: "waiting for room",
  submitting: "submitting",
  unconfirmed: "unconfirmed",
  held: "held",
  starting: "starting",
  suspended: "suspended",
  finishing: "finishing",
};

/** The status, and the phase where that says more. */
export function statusWords(job: ShownJob): string {
  const finer = FINER[job.phase];
  return finer ? `${job.status} (${finer})` : job.status;
}

/** How far a run is, from 0 to 1; undefined where that is not known. */
export function fraction(job: ShownJob): number | undefined {
  const progress = job.progress;
  if (!progress?.totalSteps) return undefined;
  const done = (progress.stepsDone ?? progress.step ?? 0) / progress.totalSteps;
  return Math.min(1, Math.max(0, done));
}

/** Seconds a job has run: what was told ages, so a running one's are counted on. */
export function used(job: ShownJob, now: number): number | undefined {
  if (job.status === "RUNNING" && job.phase !== "suspended" && job.startedAt) {
    return Math.max(0, (now - Date.parse(job.startedAt)) / 1000);
  }
  return job.timeUsedSeconds;
}

/** What there is to say beside the status. */
export function detail(job: ShownJob, now: number): string | undefined {
  switch (job.status) {
    case "PENDING":
      return job.reason?.text;
    case "RUNNING": {
      const parts: string[] = [];
      const counts = job.memberCounts;
      if (counts) {
        parts.push(`${counts.completed} of ${counts.total} done`);
        if (counts.running > 0) parts.push(`${counts.running} running`);
        if (counts.failed > 0) parts.push(`${counts.failed} failed`);
      }
      const done = fraction(job);
      if (done !== undefined) parts.push(`${Math.floor(done * 100)} %`);
      if (job.progress?.nsPerDay) parts.push(`${Number(job.progress.nsPerDay.toPrecision(4))} ns/day`);
      if (job.progress?.etaSeconds !== undefined) parts.push(`ETA ${span(job.progress.etaSeconds)}`);
      if (job.progress?.finishesBeforeLimit === false) parts.push("will not finish in time");
      if (parts.length > 0) return parts.join(" · ");
      const seconds = used(job, now);
      if (seconds === undefined) return undefined;
      return job.timeLimitSeconds ? `${clock(seconds)} of ${clock(job.timeLimitSeconds)}` : clock(seconds);
    }
    case "COMPLETED":
      return job.timeUsedSeconds === undefined ? undefined : `took ${clock(job.timeUsedSeconds)}`;
    case "FAILED":
    case "CANCELLED":
      return job.diagnosis?.summary ?? job.cause?.text;
    case "UNKNOWN":
      return "nothing witnessed its end";
    default:
      return job.errorInfo?.message;
  }
}

/** A job in one line. */
export function headline(job: ShownJob, now: number): string {
  const said = [statusWords(job)];
  const more = detail(job, now);
  if (more) said.push(more.replace(/\.$/, ""));
  if (job.observed?.stale) said.push("not confirmed lately");
  return said.join(" · ");
}

/** The codicon of a status. */
export function icon(status: Status): string {
  const icons: Record<string, string> = {
    CREATED: "circle-outline",
    PENDING: "clock",
    RUNNING: "sync",
    COMPLETED: "pass",
    FAILED: "error",
    CANCELLED: "circle-slash",
    UNKNOWN: "question",
  };
  return icons[status] ?? "circle-outline";
}

/** The theme colour of a status. */
export function colour(status: Status): string | undefined {
  const colours: Record<string, string> = {
    RUNNING: "charts.blue",
    PENDING: "charts.yellow",
    COMPLETED: "charts.green",
    FAILED: "charts.red",
    UNKNOWN: "charts.orange",
  };
  return colours[status];
}
