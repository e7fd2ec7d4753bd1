// Generated from the Rust types of NAMDRunner; `namdrunner schema --write protocol` writes it anew.
// Readers ignore fields and show words that they do not know.

/** The protocol's version. */
export const PROTOCOL_VERSION = 1;

/** What `adoptJob` takes. */
export interface AdoptJobParams {
  /** The cluster's name in config.toml. */
  cluster: string;
  /** The batch system's id: `1018`, or `1018_3` for a member of an array. */
  slurmJobId: string;
}

/** One thing to do. */
export interface Advice {
  /** A word for it: `requestTime`, `submitAgain`, `correct`, … */
  code: string;
  /** What to do. */
  text: string;
  /** Submitting again after it, with nothing else changed, may well succeed. */
  safeToRepeat: boolean;
  /** What to change in what the job asks for: give it to `updateJob` as it is. */
  edit?: Edit;
}

/** One submission of a job and what came of it. */
export interface Attempt {
  /** Its number, from 1. */
  n: number;
  /** When it was asked for. */
  askedAt: Time;
  /** The batch system's id, once it has one. */
  slurmJobId?: string;
  /** When the batch system took it. */
  submittedAt?: Time;
  /** When it started (last). */
  startedAt?: Time;
  /** When it ended. */
  endedAt?: Time;
  /** How it ended: `COMPLETED`, `FAILED`, `CANCELLED` or `UNKNOWN`. */
  outcome?: Status;
  /** Why it failed or who cancelled it. */
  cause?: Cause;
  /** How the members of an array stood, or stand. */
  memberCounts?: MemberCounts;
}

/** What a login asks. Its texts come from the cluster where the method is `keyboard-interactive`. */
export interface AuthPromptParams {
  /** The cluster's name in config.toml. */
  cluster: string;
  /** The host that asks; on the way to a cluster it may be another one than the cluster's. */
  host: string;
  /** The user there. */
  user: string;
  /** What is being tried. */
  method: PromptMethod;
  /** A title. Empty: there is none. */
  name: string;
  /** What is said about the prompts. Empty: nothing. */
  instructions: string;
  /** What is asked; show all of it at once. */
  prompts: Prompt[];
  /** Counts the attempts with this method, from 1. */
  attempt: number;
  /** Why it is asked (again). Empty: there is nothing to say. */
  reason: string;
}

/** The answers to an `authPrompt`. */
export interface AuthPromptResult {
  /** One for each prompt, in their order. */
  answers: string[];
}

/** What `cancel` takes. */
export interface CancelJobParams {
  /** The job. */
  jobId: string;
  /** Only these members of an array, by their ids. Absent: the whole job. */
  members?: number[];
}

/** What `$/cancelRequest` takes. */
export interface CancelParams {
  /** The id of the request that is withdrawn. */
  id: RequestId;
}

/** Why a job failed, or who cancelled it. */
export interface Cause {
  /** A word to switch on. */
  code: CauseCode;
  /** The same for a person, with the figures. */
  text: string;
}

/** Why a job failed. Readers show words they do not know. */
export type CauseCode =
  /** The script ended with a non-zero exit code. */
  | "exitCode"
  /** The batch system said it went well; the job's own end marker says otherwise. */
  | "markerDisagrees"
  /** The batch system said it went well; NAMD's log holds a fatal error. */
  | "logDisagrees"
  /** The wall-clock limit was reached. */
  | "timeLimit"
  /** It ran out of memory. */
  | "outOfMemory"
  /** A node failed. */
  | "nodeFail"
  /** Its nodes could not be booted. */
  | "bootFail"
  /** Its deadline passed. */
  | "deadline"
  /** It was preempted and not put back. */
  | "preempted"
  /** It was revoked in favour of a sibling cluster. */
  | "revoked"
  /** Its processes are gone without a trace of their end. */
  | "vanished"
  /** Somebody cancelled it. */
  | "cancelled";

/** A change as its notification tells it: with a `job` it is a `jobStatusChanged`, without one a `jobDeleted`. */
export type Change = JobStatusChanged | JobDeleted;

/** What `changesSince` takes. */
export interface ChangesSinceParams {
  /** The store's id, from `subscribe` or `listJobs`. Another store's id gives `truncated`. */
  storeId: string;
  /** The number of the last change the caller knows. */
  seq: number;
  /** At most this many, from 1 to 1000. Absent: 500. */
  limit?: number;
}

/** What happened since. */
export interface ChangesSinceResult {
  /** The changes, oldest first, each as its notification would tell it. The job in it is as it is now, not as it was then. */
  changes: Change[];
  /** The number to give the next time. */
  seq: number;
  /** There is more. With changes: ask again from `seq`. Without: the store is another one, or its past is gone; list the jobs anew. */
  truncated: boolean;
}

/** One thing that was looked at. */
export interface Check {
  /** The cluster. */
  cluster: string;
  /** What was looked at, a word or two: `link`, `sbatch`, `scratch root`. */
  name: string;
  /** Whether jobs can run as far as this goes. */
  ok: boolean;
  /** What was found. */
  detail: string;
  /** What to do about it; with `ok`, what is worth knowing. */
  hint?: string;
}

/** A client's name and version. */
export interface ClientInfo {
  /** Its name. */
  name: string;
  /** Its version. */
  version?: string;
}

/** One failure of a cluster. */
export interface ClusterFailure {
  /** When. */
  at: Time;
  /** What failed: `connect`, `squeue`, `sacct`, `marker`, `submit`, … */
  part: string;
  /** Its exit code, if it ran. */
  exit?: number;
  /** The first line of its error output, or what was wrong. */
  message: string;
}

/** How a cluster is. Readers show words they do not know. */
export type ClusterHealth =
  /** It answered. */
  | "ok"
  /** A connection is being made. */
  | "connecting"
  /** It asks for a login. */
  | "authRequired"
  /** It does not answer. */
  | "unavailable"
  /** It has not been asked yet. */
  | "unchecked";

/** The cluster a method is about. */
export interface ClusterParams {
  /** The cluster's name in config.toml. */
  cluster: string;
}

/** A cluster, as it is known now. */
export interface ClusterStatus {
  /** Its name in config.toml. */
  name: string;
  /** Its host. Absent: this machine. */
  host?: string;
  /** `slurm` or `direct`. */
  scheduler: string;
  /** How it is. */
  health: ClusterHealth;
  /** Since when it is so. */
  since: Time;
  /** Why it is not ok. */
  reason?: string;
  /** What to do about that. */
  hint?: string;
  /** What is asked for the state of jobs, and how it answered last. All are asked in one command. */
  sources: Sources;
  /** Seconds between two looks at present; more when it is slow or does not answer. */
  intervalSeconds: number;
  /** The last look that succeeded. */
  lastSync?: Time;
  /** The next look. Absent: none is planned, nothing is active. */
  nextSync?: Time;
  /** How long the last look took, in milliseconds. */
  latencyMs?: number;
  /** Looks in the last hour. */
  queriesLastHour: number;
  /** Its last 50 failures, the newest last. */
  errors: ClusterFailure[];
  /** Jobs that are on their way, in the queue or on nodes. */
  activeJobs: number;
  /** What a job asks for when it does not say. */
  defaults: Resources;
}

/** A cluster's health changed. */
export interface ClusterStatusChanged {
  /** The cluster. */
  cluster: string;
  /** How it is now. */
  status: ClusterStatus;
}

/** What one cluster's part of a sync came to. */
export interface ClusterSynced {
  /** The cluster. */
  cluster: string;
  /** How it is now. */
  health: ClusterHealth;
  /** How many jobs were asked about; 0 when nothing is active and nothing was asked. */
  queried: number;
  /** How many jobs changed. */
  changed: number;
  /** How long it took, in milliseconds. */
  tookMs: number;
  /** Why it failed. */
  error?: string;
}

/** One thing that is not as it is known here. */
export interface ComparedItem {
  /** What differs. */
  kind: ComparedKind;
  /** The job, if it is one of this program's. */
  jobId?: string;
  /** Its name. */
  jobName?: string;
  /** The batch system's id. */
  slurmJobId?: string;
  /** A directory on the cluster. */
  path?: string;
  /** What was found: the raw line, or a sentence. */
  found: string;
  /** What was changed here. Absent: nothing. */
  changed?: string;
  /** Why, and what can be done about it. */
  why: string;
}

/** What differs. Readers show words they do not know. */
export type ComparedKind =
  /** The batch system says another status than the list. It wins. */
  | "statusDiffers"
  /** The status is right; something that is told beside it was not. */
  | "detailsDiffer"
  /** Neither the queue nor another witness holds the job: it is unconfirmed. */
  | "jobMissing"
  /** An attempt of the job was submitted from elsewhere. */
  | "attemptWithoutRow"
  /** The job's directory below the project root is gone. */
  | "directoryMissing"
  /** A directory with the name of a job, and no such job in the list. */
  | "directoryWithoutRow"
  /** The same, of a job that was deleted here. */
  | "deletedHere"
  /** An upload that is not whole. */
  | "unfinishedUpload"
  /** A submission without an outcome. */
  | "submissionOpen"
  /** A cancellation that has had no effect yet. */
  | "cancellationAsked"
  /** A deletion that has not happened yet. */
  | "deletionAsked"
  /** A job in the queue that this program submitted, and no such job in the list. */
  | "jobWithoutRow"
  /** A job of the person's that this program did not submit. */
  | "foreignJob";

/** How the sources of a comparison answered. */
export interface ComparedSources {
  /** The directories below both roots. */
  directories: SourceStatus;
  /** The queue. */
  squeue: SourceStatus;
  /** The accounting records; asked only about jobs that the queue does not hold. */
  sacct: SourceStatus;
  /** The jobs' own end markers; as above. */
  marker: SourceStatus;
}

/** One component of a heterogeneous job. */
export interface Component {
  /** Its number, from 0. */
  id: number;
  /** Where it is in its life. */
  status: Status;
  /** The batch system's id, `123+0`. */
  slurmJobId?: string;
  /** The batch system's own last word for its state. */
  slurmState: string;
  /** Its exit code. */
  exitCode?: number;
  /** The signal that ended it. */
  signal?: number;
  /** When it started. */
  startedAt?: Time;
  /** When it ended. */
  completedAt?: Time;
  /** Its nodes. */
  nodes?: string;
  /** Its partition. */
  partition?: string;
  /** Its largest resident memory in bytes. */
  maxRssBytes?: number;
}

/** What `connect` takes. */
export interface ConnectParams {
  /** The cluster's name in config.toml. */
  cluster: string;
  /** Where `$/progress` is reported to. */
  workDoneToken?: ProgressToken;
}

/** What `createJob` takes. */
export interface CreateJobParams {
  /** The NAMD config on this machine: an absolute path. */
  configPath: string;
  /** The cluster's name in config.toml. Absent: the default cluster. */
  cluster?: string;
  /** A name for people. Absent: the config's file name without its ending. */
  name?: string;
  /** What it asks of the batch system; the cluster's defaults fill the rest. */
  resources?: Resources;
  /** How NAMD is started, instead of the cluster's way: a command with `{config}` and `{log}`. */
  launch?: string;
  /** Further files or globs, relative to the config's directory. */
  inputs?: string[];
  /** Makes it an array with these members, as Slurm writes them: `0-9`, `1,3,5-7:2`, and behind `%` how many may run at once (`0-9%4`). Each member runs in a tree of its own. */
  array?: string;
  /** The person's own labels. */
  labels?: Record<string, string>;
  /** Any text of the caller's: a repeated call with the same one returns the first job, so that a call whose answer was lost can be made again. */
  idempotencyKey?: string;
  /** Submit it at once. Absent: no. */
  submit?: boolean;
  /** Where `$/progress` is reported to. */
  workDoneToken?: ProgressToken;
}

/** What `createJob` gives. */
export interface CreateJobResult {
  /** The job. */
  job: Job;
  /** What was found in the config; no errors are among it. */
  findings: Finding[];
}

/** What `deleteJob` takes. */
export interface DeleteJobParams {
  /** The job. */
  jobId: string;
  /** Remove its directories on the cluster too. Absent: no. */
  remoteFiles?: boolean;
}

/** What `deleteJob` gives. */
export interface DeleteJobResult {
  /** Always true: what could not be deleted is an error. */
  deleted: boolean;
  /** The directories that were removed on the cluster. */
  remote: string[];
}

/** What `diagnose` gives. */
export interface DiagnoseResult {
  /** What is wrong. Absent: nothing that is known. */
  diagnosis?: Diagnosis;
}

/** What is wrong with a job, and what to do. */
export interface Diagnosis {
  /** One cause, in a word: `timeLimit`, `inputMissing`, `unstable`, …; `unknown` if nothing shows why. Readers show words they do not know. */
  cause: string;
  /** What happened, in a sentence or two. */
  summary: string;
  /** The lines that show it. */
  evidence: Evidence[];
  /** What to do, the best first. */
  advice: Advice[];
  /** Where in the NAMD config, if it lies there. */
  range?: Range;
}

/** What `discoverJobs` gives. */
export interface DiscoverJobsResult {
  /** The cluster. */
  cluster: string;
  /** When. */
  at: Time;
  /** The jobs that were taken into the list, as they are now. */
  jobs: Job[];
  /** What was found and not taken in, and why. */
  items: ComparedItem[];
  /** Directories beyond the bound of one look, the oldest ones: not looked at. */
  moreDirectories: number;
}

/** What `doctor` takes. */
export interface DoctorParams {
  /** Only this cluster. Absent: all, side by side. */
  cluster?: string;
}

/** What `doctor` gives. */
export interface DoctorResult {
  /** What was looked at, cluster by cluster. */
  checks: Check[];
}

/** What `download` takes. */
export interface DownloadParams {
  /** The job. */
  jobId: string;
  /** Which files, by `*`, `?`, `[…]` and `**` against their `path`; a pattern without a slash is one of names. Absent: what the newest attempt wrote, but for trajectories and files over 100 MB. */
  patterns?: string[];
  /** The directory on this machine, absolute. Absent: one of the job's id beside its config. */
  to?: string;
  /** Where `$/progress` is reported to. */
  workDoneToken?: ProgressToken;
}

/** What `download` gives. */
export interface DownloadResult {
  /** The directory on this machine. */
  to: string;
  /** The files in it, by path. */
  files: DownloadedFile[];
}

/** A file of a download. */
export interface DownloadedFile {
  /** Where it is in the job's tree. */
  path: string;
  /** Where it is on this machine. */
  local: string;
  /** Its size in bytes. */
  bytes: number;
  /** Whether it was fetched now. Otherwise it was here already, with the size and date it has there. */
  fetched: boolean;
}

/** How long a job spent in a status. */
export interface Duration {
  /** The status. */
  status: Status;
  /** Seconds spent in it. */
  seconds: number;
}

/** A change of what a job asks for. */
export interface Edit {
  /** A wall-clock limit, as Slurm writes it. */
  walltime?: string;
  /** Memory per node, as Slurm writes it. */
  memory?: string;
}

/** What an error answer carries in `data`. */
export interface ErrorData {
  /** The error's kind, a word to switch on. Readers treat words they do not know by `retryable`. */
  kind: string;
  /** What to do about it. */
  hint?: string;
  /** Whether the same call may succeed later without anything being changed by hand. */
  retryable: boolean;
  /** The job concerned. */
  jobId?: string;
  /** The cluster concerned. */
  cluster?: string;
  /** Findings in the NAMD config, when they are the reason. */
  findings?: Finding[];
}

/** What went wrong with what was asked, kept with the job. */
export interface ErrorInfo {
  /** The error's kind, as in `data.kind` of an error answer. */
  kind: string;
  /** What happened and why. */
  message: string;
  /** What to do. */
  hint?: string;
  /** When. */
  at: Time;
}

/** A line that shows it. */
export interface Evidence {
  /** Who says so: `slurm`, `marker`, `log`, `output`, `config`, `disk`, `observed`. */
  source: string;
  /** Its words. */
  text: string;
  /** The file, relative to the attempt's working directory. */
  file?: string;
  /** The line in the file, from 1. */
  line?: number;
}

/** What `workspace/executeCommand` takes. */
export interface ExecuteCommandOptions {
  /** `namdrunner.create`, `namdrunner.createAndSubmit` and `namdrunner.preview` take the address of a config; `namdrunner.submit`, `namdrunner.cancel`, `namdrunner.status` and `namdrunner.diff` the id of a job; `namdrunner.sync` takes nothing. */
  commands: string[];
}

/** What would be done with a file. */
export type FileAction =
  /** It would be sent. */
  | "upload"
  /** It is there already. */
  | "reuse"
  /** The config names it by an absolute path that is only on the cluster; it is left alone. */
  | "onCluster";

/** Where a file lies. */
export type FilePlace =
  /** In the job's project directory, which is kept. */
  | "project"
  /** In an attempt's working tree, which a site may purge. */
  | "scratch";

/** One thing found in a NAMD config, with its place. */
export interface Finding {
  /** How much it matters. */
  severity: Severity;
  /** What kind of thing it is, a word to switch on. */
  code: string;
  /** What happened, why, and what to do. */
  message: string;
  /** The file it is about: absolute, or relative to the config's directory. */
  file: string;
  /** Where in the file. */
  range: Range;
}

/** One change in the life of a job. */
export interface HistoryEntry {
  /** The change's number in this store. */
  seq: number;
  /** When, by this machine's clock. */
  at: Time;
  /** The status before. Absent: the job was made. */
  from?: Status;
  /** The status after. */
  to: Status;
  /** The finer phase after. */
  phase?: Phase;
  /** Who witnessed it. */
  source: Source;
  /** What the witness said: the raw line, or a few words. It is dropped some time after (see `retention` in config.toml). */
  evidence?: string;
  /** The attempt it belongs to; 0 before the first. */
  attempt: number;
  /** Seconds spent in the status before. */
  secondsInFrom: number;
}

/** A host key that is not recorded, or another one than recorded. */
export interface HostKeyPromptParams {
  /** The cluster's name in config.toml. */
  cluster: string;
  /** The host; on the way to a cluster it may be another one than the cluster's. */
  host: string;
  /** Its port. */
  port: number;
  /** The key's type, as `ssh-ed25519`. */
  algorithm: string;
  /** The key's fingerprint, as `ssh-keygen -l` prints it; to be compared with what the site publishes. */
  fingerprint: string;
  /** Whether the host is new or its key another one. */
  state: HostKeyState;
  /** The fingerprint that is recorded. Absent: the host is new. */
  knownFingerprint?: string;
}

/** The answer to a `hostKeyPrompt`. */
export interface HostKeyPromptResult {
  /** Whether the key is the right one. */
  accept: boolean;
}

/** What is wrong with a host key. Readers show words they do not know. */
export type HostKeyState =
  /** The host is not recorded; the key can be accepted, and is recorded then. */
  | "new"
  /** Another key is recorded: somebody may be listening in. The connection is refused whatever the answer is; the request informs. */
  | "changed";

/** What `initialize` takes that is special to this server. */
export interface InitializationOptions {
  /** Who the client is. */
  client?: ClientInfo;
  /** A person is there to answer prompts. Absent: no. */
  canPrompt?: boolean;
}

/** What `initialize` takes. All other LSP fields are accepted and ignored. */
export interface InitializeParams {
  /** Who the client is, as LSP clients say it. */
  clientInfo?: ClientInfo;
  /** What is special to this server. */
  initializationOptions?: InitializationOptions;
}

/** What `initialize` gives. */
export interface InitializeResult {
  /** What this server does of LSP. */
  capabilities: ServerCapabilities;
  /** Who the server is. */
  serverInfo: ServerInfo;
  /** What is special to this server. */
  namdrunner: ServerFacts;
}

/** One NAMD simulation on a cluster, as it is known now. */
export interface Job {
  /** The job's id: safe in paths, file names and Slurm. Never reused. */
  jobId: string;
  /** The person's name for it, free text. */
  jobName: string;
  /** The cluster's name in config.toml. */
  cluster: string;
  /** The NAMD config on the machine it was made from, absolute. */
  configPath: string;
  /** SHA-256 of the config's bytes when it was read, in hex. */
  configSha256: string;
  /** When the job was asked for. */
  createdAt: Time;
  /** When anything about it last changed. */
  updatedAt: Time;
  /** When the batch system took its newest attempt. */
  submittedAt?: Time;
  /** When its newest attempt started (last). */
  startedAt?: Time;
  /** When it ended, well or not. */
  completedAt?: Time;
  /** Where it is in its life, in one word. */
  status: Status;
  /** The finer truth of its status. */
  phase: Phase;
  /** The batch system's id of the newest attempt. */
  slurmJobId?: string;
  /** The batch system's own last word for its state, as it printed it. */
  slurmState?: string;
  /** Why it waits in the queue. */
  reason?: WaitReason;
  /** The exit code of the job script. */
  exitCode?: number;
  /** The signal that ended the job script. */
  signal?: number;
  /** Its nodes, as the batch system writes them (`c[1-3]`). */
  nodes?: string;
  /** The partition it is in. */
  partition?: string;
  /** When the batch system thinks it will start. */
  estimatedStart?: Time;
  /** Seconds since its start, or from start to end. */
  timeUsedSeconds?: number;
  /** Its wall-clock limit in seconds: the batch system's, or the one asked for. */
  timeLimitSeconds?: number;
  /** Its largest resident memory in bytes. */
  maxRssBytes?: number;
  /** How often the batch system started the newest attempt again under the same id. */
  restarts: number;
  /** The person's own labels. */
  labels: Record<string, string>;
  /** How fresh this knowledge is. */
  observed: Observed;
  /** Since when whole answers of the queue lack it, while it is not known what became of it. */
  unconfirmedSince?: Time;
  /** Where it came from. Absent: it was made here. */
  origin?: Origin;
  /** Its directory below the cluster's project root. */
  projectDir: string;
  /** Its directory below the cluster's scratch root; attempts run in numbered directories in it. */
  scratchDir: string;
  /** What it asks of the batch system, the cluster's defaults filled in. */
  resources: Resources;
  /** How NAMD is started, if not the cluster's way. */
  launch?: string;
  /** The members, as they were asked for (`0-9%4`). Absent: it is no array. */
  array?: string;
  /** How the members of an array stand. */
  memberCounts?: MemberCounts;
  /** Each member of an array, by number. Only `jobStatus` tells them. */
  members?: Member[];
  /** The components of a heterogeneous job (`sbatch … : …`), by number. Absent: it has none. */
  components?: Component[];
  /** The number of the newest attempt; 0 before the first submit. */
  attempt: number;
  /** All attempts, the newest last. */
  attempts: Attempt[];
  /** When its cancellation was asked for, while that is not settled. */
  cancelRequestedAt?: Time;
  /** Why it failed or who cancelled it, once it has ended so. */
  cause?: Cause;
  /** The last thing that went wrong with what was asked, while it still matters. */
  errorInfo?: ErrorInfo;
  /** How far its newest attempt is, by NAMD's log. */
  progress?: JobProgress;
  /** What is wrong with it and what to do (in `jobStatus` alone). */
  diagnosis?: Diagnosis;
  /** Where its results are. */
  results: Results;
}

/** A job was deleted. */
export interface JobDeleted {
  /** The change's number in this store. */
  seq: number;
  /** The job. */
  jobId: string;
}

/** A file of a job on its cluster. */
export interface JobFile {
  /** Where it is in the job's tree: the path that `download` matches patterns against. */
  path: string;
  /** Where it is on the cluster. */
  remote: string;
  /** What it is: for an input what the config calls it (`structure`, `parameters`, `config`, …), else `log`, `restart`, `trajectory`, `xst`, `colvars`, `control` or `output`. */
  role: string;
  /** Whether it was uploaded. */
  input: boolean;
  /** Its size in bytes. */
  bytes: number;
  /** When it was modified, by the cluster's clock. */
  modified?: Time;
  /** Where on the cluster that is. */
  place: FilePlace;
  /** The attempt that wrote it. Absent: none did. */
  attempt?: number;
}

/** The history of a job, oldest first. */
export interface JobHistoryResult {
  /** One entry for each change. */
  entries: HistoryEntry[];
  /** How long it spent in each status, all attempts together, in the order it came to them. One that it is in counts until now; an end has no duration. */
  durations: Duration[];
}

/** What `jobLog` takes. At most one of `offset` and `tail`; without either the end is given. */
export interface JobLogParams {
  /** The job. */
  jobId: string;
  /** Which log. Absent: NAMD's. */
  which?: WhichLog;
  /** From this byte on. To follow a log, give the `offset` of the answer before. */
  offset?: number;
  /** So many bytes at its end, from the beginning of a line on. */
  tail?: number;
  /** The attempt. Absent: the newest. */
  attempt?: number;
}

/** A piece of a log. */
export interface JobLogResult {
  /** Its text, at most 1 MiB; bytes that are not UTF-8 are replaced. */
  text: string;
  /** The file on the cluster. */
  path: string;
  /** The byte it begins at. */
  from: number;
  /** The byte where the next piece begins. */
  offset: number;
  /** The size of the file; 0 if it is not there yet. */
  size: number;
  /** Nothing more is there now. */
  eof: boolean;
}

/** The job a method is about. */
export interface JobParams {
  /** The job. */
  jobId: string;
}

/** How far a run is, by NAMD's log. */
export interface JobProgress {
  /** Which `run` or `minimize`, from 1; 0 while NAMD starts. */
  segment: number;
  /** Of how many. Absent: the config does not say beforehand. */
  segments?: number;
  /** The segment minimises. */
  minimizing: boolean;
  /** The last step, as NAMD counts: from `firsttimestep` on. */
  step: number;
  /** Steps that this attempt has done. */
  stepsDone: number;
  /** Steps that it is to do in all. Absent: not known beforehand. */
  totalSteps?: number;
  /** Nanoseconds of dynamics that it has done. */
  nsDone: number;
  /** Nanoseconds simulated in a day. */
  nsPerDay?: number;
  /** Seconds until its last step, if it stays as fast. */
  etaSeconds?: number;
  /** Whether its last step comes before its time limit. Absent: not known, or it has ended. */
  finishesBeforeLimit?: boolean;
  /** Seconds that it needs beyond its time limit, if it does not. */
  shortBySeconds?: number;
  /** The last temperature, in kelvin. */
  temperature?: number;
  /** The last energies by NAMD's names for them, in its units. One that is not a number is left out. */
  energies?: Record<string, number>;
  /** How many warnings NAMD has printed. */
  warnings: number;
  /** The step of the last complete set of restart files. */
  restartStep?: number;
  /** When the log was last read. */
  at?: Time;
}

/** A job's log has moved, or has been read to its end. */
export interface JobProgressed {
  /** The number of the last change in this store when this was told. */
  seq: number;
  /** The job. */
  jobId: string;
  /** How far it is. Absent: NAMD has said nothing yet. */
  progress?: JobProgress;
  /** What is wrong with it. Absent: nothing that is known. */
  diagnosis?: Diagnosis;
}

/** A job, as it is after the call. */
export interface JobResult {
  /** The job. */
  job: Job;
}

/** A change of a job was committed. Also sent when the status stays and something else changed: then `from` and `to` are equal. */
export interface JobStatusChanged {
  /** The change's number in this store. */
  seq: number;
  /** The job. */
  jobId: string;
  /** The job, as it is after the change. */
  job: Job;
  /** The status before. Absent: the job was made. */
  from?: Status;
  /** The status after. */
  to: Status;
  /** The finer phase after. */
  phase?: Phase;
  /** When, by this machine's clock. */
  at: Time;
  /** Who witnessed it. */
  source: Source;
  /** What the witness said: the raw line, or a few words. */
  evidence?: string;
  /** Seconds spent in the status before. */
  secondsInFrom: number;
}

/** What `jobStatus` takes. */
export interface JobStatusParams {
  /** The job. */
  jobId: string;
  /** Look at the cluster first. Absent: no, answer from what is known. */
  sync?: boolean;
}

/** What `listClusters` gives. */
export interface ListClustersResult {
  /** The clusters, in the order of config.toml. */
  clusters: ClusterStatus[];
}

/** A job's files. */
export interface ListFilesResult {
  /** The files: those that belong to no attempt first, then attempt by attempt. */
  files: JobFile[];
}

/** What `listJobs` takes. What is absent does not filter. */
export interface ListJobsParams {
  /** Only these statuses. */
  status?: Status[];
  /** Only this cluster. */
  cluster?: string;
  /** Only jobs made from this config (absolute path). */
  configPath?: string;
  /** Only jobs whose name, id, Slurm id or label values hold this text, in any case. */
  text?: string;
  /** At most this many, from 1 to 1000. Absent: 200. */
  limit?: number;
  /** `next` of the page before. */
  after?: string;
}

/** A page of jobs, newest first. */
export interface ListJobsResult {
  /** The jobs. */
  jobs: Job[];
  /** What to give as `after` for the next page. Absent: this is the last. */
  next?: string;
  /** The number of the last change this page holds; for `changesSince`. */
  seq: number;
  /** The store's id; for `changesSince`. */
  storeId: string;
}

/** Something for the client's log. */
export interface LogMessage {
  /** 1 error, 2 warning, 3 information. */
  type: number;
  /** The message. */
  message: string;
}

/** One member of an array. It runs in the directory `<scratchDir>/<attempt>/<id>`. */
export interface Member {
  /** Its number: `{index}` in `launch`, `$env(NAMDRUNNER_INDEX)` in the configuration. */
  id: number;
  /** Where it is in its life. */
  status: Status;
  /** The batch system's id. */
  slurmJobId?: string;
  /** The batch system's own last word for its state. */
  slurmState?: string;
  /** Why it waits, if that is not the array's reason. */
  reason?: WaitReason;
  /** The exit code of its script. */
  exitCode?: number;
  /** The signal that ended its script. */
  signal?: number;
  /** When it started (last). */
  startedAt?: Time;
  /** When it ended. */
  completedAt?: Time;
  /** Its nodes. */
  nodes?: string;
  /** Its largest resident memory in bytes. */
  maxRssBytes?: number;
  /** How often it was started again, if it was. */
  restarts?: number;
  /** Since when neither the queue nor anything else tells of it, while it should be there. */
  unconfirmedSince?: Time;
  /** When cancelling it alone was asked for, while that is not settled. */
  cancelRequestedAt?: Time;
  /** Why it failed or who cancelled it. */
  cause?: Cause;
}

/** How the members of an array stand. Before the array is in the queue all but `total` are 0. */
export interface MemberCounts {
  /** How many there are. */
  total: number;
  /** In the queue. */
  pending: number;
  /** On their nodes. */
  running: number;
  /** Ended well. */
  completed: number;
  /** Ended badly. */
  failed: number;
  /** Ended by somebody. */
  cancelled: number;
  /** Nothing witnessed their end. */
  unknown: number;
}

/** Nothing special about it. */
export type NoOptions = Record<string, never>;

/** Nothing is taken. */
export type NoParams = Record<string, never>;

/** How fresh the knowledge of a job is. */
export interface Observed {
  /** When the cluster was last asked about it with success. */
  at?: Time;
  /** Who last said something new about it. */
  source?: Source;
  /** How long ago the cluster was last asked about it with success, in seconds. */
  ageSeconds?: number;
  /** It is older than it should be: the cluster does not answer, or nobody asks. */
  stale: boolean;
}

/** Where a job came from. */
export interface Origin {
  /** How it came into the list. */
  kind: OriginKind;
  /** When it was found or adopted. */
  at: Time;
  /** Of an adopted job: its script and arguments, as the batch system prints them. */
  script?: string;
}

/** How a job came into the list. Readers show words they do not know. */
export type OriginKind =
  /** It was found in its directories on the cluster: made by another laptop, or with a database that is lost. */
  | "discovered"
  /** It was submitted by hand and adopted. It is followed and can be cancelled; its files are never written or removed, and it cannot be submitted again. */
  | "adopted";

/** The finer truth of a status. Readers show words they do not know. */
export type Phase =
  /** Its files are on their way. */
  | "uploading"
  /** Its files are on the cluster; nothing has been asked for. */
  | "staged"
  /** It waits until somebody logs in to the cluster. */
  | "waitingForLogin"
  /** The site allows no more jobs of this person now; it will be tried again. */
  | "waitingForRoom"
  /** It is on its way into the queue. */
  | "submitting"
  /** An answer was lost, or the queue does not hold it: it is being looked for. */
  | "unconfirmed"
  /** It waits in the queue. */
  | "queued"
  /** It waits in the queue until a person releases it. */
  | "held"
  /** Its nodes are being made ready. */
  | "starting"
  /** It runs. */
  | "running"
  /** It is stopped and keeps its nodes. */
  | "suspended"
  /** Its processes are being ended. */
  | "finishing"
  /** It is over. */
  | "settled";

/** A place in a file, as in LSP. */
export interface Position {
  /** The line, from 0. */
  line: number;
  /** The character in the line, from 0, in UTF-16 units. */
  character: number;
}

/** One file of a preview. */
export interface PreviewFile {
  /** Where it is on this machine, if it is here. */
  local?: string;
  /** Where it is or will be on the cluster. */
  remote: string;
  /** Its size in bytes, if it is here. */
  bytes?: number;
  /** What the config calls it: `structure`, `parameters`, `config`, … */
  role: string;
  /** SHA-256 in hex, if it has been computed. */
  sha256?: string;
  /** What would be done with it. */
  action: FileAction;
}

/** What `previewJob` takes: a config as for `createJob`, or the id of a job that exists. */
export interface PreviewJobParams {
  /** A job that exists: what its next submit would do. Nothing else may be given with it. */
  jobId?: string;
  /** The NAMD config on this machine: an absolute path. */
  configPath?: string;
  /** The cluster's name in config.toml. Absent: the default cluster. */
  cluster?: string;
  /** A name for people. */
  name?: string;
  /** What it asks of the batch system; the cluster's defaults fill the rest. */
  resources?: Resources;
  /** How NAMD is started, instead of the cluster's way: a command with `{config}` and `{log}`. */
  launch?: string;
  /** Further files or globs, relative to the config's directory. */
  inputs?: string[];
  /** Makes it an array with these members, as Slurm writes them: `0-9`, `1,3,5-7:2`, and behind `%` how many may run at once (`0-9%4`). Each member runs in a tree of its own. */
  array?: string;
  /** Where `$/progress` is reported to. */
  workDoneToken?: ProgressToken;
}

/** What creating and submitting would do. */
export interface PreviewJobResult {
  /** The files. */
  files: PreviewFile[];
  /** The job script. */
  script: string;
  /** How the uploaded config differs from the one on this machine, as a unified diff. Absent: not at all. */
  rewritten?: string;
  /** What was found in the config, errors included. */
  findings: Finding[];
  /** Bytes that would be sent. */
  totalBytes: number;
}

/** One piece of progress. */
export type Progress = {
  kind: "begin";
  /** What is being done. */
  title: string;
  /** Whether `$/cancelRequest` has an effect. */
  cancellable: boolean;
} | {
  kind: "report";
  /** What is being done now. */
  message: string;
  /** Percent done, 0 to 100, never falling. */
  percentage?: number;
  /** Of a transfer: bytes done, of the whole. */
  bytes?: number;
  /** Of a transfer: bytes in all. */
  totalBytes?: number;
  /** Of a transfer: bytes per second over the last seconds. */
  bytesPerSecond?: number;
  /** Of a transfer: seconds until all is done at this rate. */
  secondsLeft?: number;
  /** Of a transfer: the file that moved last, if it travels by itself. */
  file?: ProgressFile;
} | {
  kind: "end";
};

/** How far one file of a transfer is. */
export interface ProgressFile {
  /** Its path on the cluster. */
  path: string;
  /** Bytes done. */
  bytes: number;
  /** Its size in bytes. */
  totalBytes: number;
  /** Seconds until it is done at the present rate. */
  secondsLeft?: number;
}

/** How far a request is. */
export interface ProgressParams {
  /** The request's `workDoneToken`. */
  token: ProgressToken;
  /** What is told: once `begin`, then any number of `report`, once `end`, in this order and before the request's answer. */
  value: Progress;
}

/** Where `$/progress` is reported to: chosen by the caller, one for each request. */
export type ProgressToken = number | string;

/** One line to be answered. */
export interface Prompt {
  /** What is asked for. */
  text: string;
  /** Whether the answer may be seen while it is typed. */
  echo: boolean;
}

/** What a login tries. Readers show words they do not know. */
export type PromptMethod =
  /** The passphrase of a key file on this machine; it is not sent anywhere. */
  | "passphrase"
  /** Whatever the host asks: passwords, codes, menus. */
  | "keyboard-interactive"
  /** The account's password. */
  | "password";

/** A stretch of a file, as in LSP; the end is not part of it. */
export interface Range {
  /** Where it begins. */
  start: Position;
  /** Where it ends. */
  end: Position;
}

/** What waiting for a reason comes to. */
export type ReasonClass =
  /** It will start by itself. */
  | "willStart"
  /** A person has to do something. */
  | "needsYou"
  /** It can never start as it was asked for. */
  | "never"
  /** The word is not known here. */
  | "unknown";

/** What `reconcile` takes. */
export interface ReconcileParams {
  /** The cluster's name in config.toml. */
  cluster: string;
  /** Change nothing, only tell what would be changed. Absent: no. */
  dryRun?: boolean;
  /** List the person's other jobs in the queue too, those that this program did not submit. Absent: no, they are only counted. */
  foreign?: boolean;
}

/** What `reconcile` gives. */
export interface ReconcileResult {
  /** The cluster. */
  cluster: string;
  /** When. */
  at: Time;
  /** Nothing was changed: `changed` tells what would be. */
  dryRun: boolean;
  /** Jobs of this cluster in the list here. */
  jobs: number;
  /** Job directories there. */
  directories: number;
  /** Directories beyond the bound of one look, the oldest ones: not looked at. */
  moreDirectories: number;
  /** The person's other jobs in the queue. */
  foreignJobs: number;
  /** How each source answered. One that failed says nothing, and nothing is concluded from that. */
  sources: ComparedSources;
  /** What is not as it is known here, job by job. A job that agrees is not among them. */
  items: ComparedItem[];
}

/** The id of a request. */
export type RequestId = number | string;

/** What a job asks of the batch system. What is absent is left to the cluster's defaults. */
export interface Resources {
  /** Nodes (`--nodes`). */
  nodes?: number;
  /** Tasks (`--ntasks`). */
  ntasks?: number;
  /** Cores for each task (`--cpus-per-task`). */
  cpusPerTask?: number;
  /** Memory of each node, as Slurm writes it: `4G`, `512M` (`--mem`). */
  memory?: string;
  /** Wall-clock limit in seconds (`--time`). */
  walltime?: number;
  /** Partition (`--partition`). */
  partition?: string;
  /** Quality of service (`--qos`). */
  qos?: string;
  /** Account (`--account`). */
  account?: string;
  /** Generic resources, `gpu:1` (`--gres`). */
  gres?: string;
  /** Node features (`--constraint`). */
  constraint?: string;
  /** Further sbatch options, each as on the command line: `--mail-type=END`. */
  extra?: string[];
}

/** Where a job's results are. */
export interface Results {
  /** How far their collection is. */
  state: ResultsState;
  /** Files collected so far. */
  files: number;
  /** Bytes collected so far. */
  bytes: number;
  /** Why it pauses. */
  reason?: string;
}

/** How far the collection of results is. */
export type ResultsState =
  /** Nothing has been collected: they are in the scratch directory, if anywhere. */
  | "none"
  /** They are being copied. */
  | "copying"
  /** They are in the project directory. */
  | "copied"
  /** Copying goes no further until something is done. */
  | "paused";

/** What this server does of LSP. */
export interface ServerCapabilities {
  /** How characters of positions are counted: `utf-16`. */
  positionEncoding: string;
  /** Documents are told of when they are opened, changed, saved and closed. */
  textDocumentSync: TextDocumentSyncOptions;
  /** Lenses above a config: its job's state and what can be done. Their commands are those of `executeCommandProvider`. */
  codeLensProvider: NoOptions;
  /** The job's state at the line that runs something. */
  inlayHintProvider: boolean;
  /** Links to the files a config names. */
  documentLinkProvider: NoOptions;
  /** Quick fixes for what was found. */
  codeActionProvider: boolean;
  /** The commands that the server carries out by itself. */
  executeCommandProvider: ExecuteCommandOptions;
}

/** What a client may want to know of this server. */
export interface ServerFacts {
  /** The protocol's version. It grows only when something a client could rely on goes away. */
  protocol: number;
  /** Where the server keeps its data. */
  home: string;
  /** The settings file, whether it exists or not. */
  configFile: string;
  /** The directory of the server's log files. */
  logDir: string;
  /** The process id of the background server that all windows share. Absent: the server is this client's own (`serve --standalone`). */
  daemonPid?: number;
}

/** The server's name and version. */
export interface ServerInfo {
  /** `namdrunner`. */
  name: string;
  /** The program's version. */
  version: string;
}

/** How much a finding matters. */
export type Severity =
  /** The job cannot be made or would certainly fail: it blocks. */
  | "error"
  /** Something may go wrong or could not be determined. */
  | "warning"
  /** Worth knowing. */
  | "information";

/** Who says so. */
export type Source =
  /** Decided on this machine. */
  | "local"
  /** The queue. */
  | "squeue"
  /** The accounting records. */
  | "sacct"
  /** The marker files that the job's own script leaves. */
  | "marker"
  /** NAMD's log, or what the batch system wrote into the job's own output. */
  | "log"
  /** The person. */
  | "user"
  /** What the job left in its directories on the cluster. */
  | "discovered";

/** How a source answered. Readers show words they do not know. */
export type SourceHealth =
  /** It was not asked. */
  | "notAsked"
  /** It answered whole. */
  | "ok"
  /** This cluster does not have it. */
  | "absent"
  /** It failed, or its answer was not whole. */
  | "failed";

/** How one source answered last. */
export interface SourceStatus {
  /** How. */
  health: SourceHealth;
  /** The exit code of its command, if it ran and failed. */
  exit?: number;
  /** What was wrong. */
  reason?: string;
}

/** The sources of what is known of jobs. */
export interface Sources {
  /** The queue. */
  squeue: SourceStatus;
  /** The accounting records. */
  sacct: SourceStatus;
  /** The marker files that the jobs' own scripts leave. */
  marker: SourceStatus;
}

/** Where a job is in its life. Readers show words they do not know. */
export type Status =
  /** Its files are on the cluster; it is not in the queue. */
  | "CREATED"
  /** It is in the queue. */
  | "PENDING"
  /** It is on its nodes. */
  | "RUNNING"
  /** It ended well. */
  | "COMPLETED"
  /** It ended badly. */
  | "FAILED"
  /** Somebody ended it. */
  | "CANCELLED"
  /** The cluster no longer knows it and nothing witnessed its end. */
  | "UNKNOWN";

/** What `submit` takes. */
export interface SubmitParams {
  /** The job. */
  jobId: string;
  /** Answer when the batch system has answered. Absent: answer as soon as the ask is durably recorded; the rest comes by notification. */
  wait?: boolean;
  /** Where `$/progress` is reported to. */
  workDoneToken?: ProgressToken;
}

/** What `subscribe` gives. */
export interface SubscribeResult {
  /** The number of the last change that is not going to be notified. */
  seq: number;
  /** The store's id; for `changesSince`. */
  storeId: string;
}

/** What `syncAll` takes. */
export interface SyncAllParams {
  /** Only this cluster. Absent: all that have active jobs, side by side. */
  cluster?: string;
  /** Where `$/progress` is reported to. */
  workDoneToken?: ProgressToken;
}

/** What `syncAll` gives. */
export interface SyncAllResult {
  /** What each cluster's part came to. A cluster that does not answer is told here; it is no error of the call. */
  clusters: ClusterSynced[];
  /** The number of the last committed change. */
  seq: number;
}

/** A look at a cluster ended. */
export interface SyncCompleted {
  /** The cluster. */
  cluster: string;
  /** When the look ended. */
  at: Time;
  /** How many jobs were asked about. */
  queried: number;
  /** How many jobs changed. */
  changed: number;
  /** How long it took, in milliseconds. */
  tookMs: number;
  /** Why it failed. */
  error?: string;
}

/** How documents are told of. */
export interface TextDocumentSyncOptions {
  /** When they are opened and closed. */
  openClose: boolean;
  /** How changes are told: 2, as edits. */
  change: number;
  /** When they are saved, without the text. */
  save: NoOptions;
}

/** A moment: RFC 3339 in UTC with `Z` and milliseconds, so that texts sort as times do. */
export type Time = string;

/** What `updateJob` takes. What is absent stays as it is. */
export interface UpdateJobParams {
  /** The job. */
  jobId: string;
  /** A new name. */
  name?: string;
  /** New labels, replacing all old ones. */
  labels?: Record<string, string>;
  /** New resources, replacing all old ones. Refused while the job is on its way or on the cluster. */
  resources?: Resources;
  /** A new way to start NAMD. Refused while the job is on its way or on the cluster. */
  launch?: string;
}

/** Why a job waits. */
export interface WaitReason {
  /** The batch system's word (`Priority`, `QOSMaxJobsPerUserLimit`). */
  code: string;
  /** What the word means, for a person. */
  text: string;
  /** What it means for the job. */
  class: ReasonClass;
}

/** Which of a job's logs. */
export type WhichLog =
  /** NAMD's log. */
  | "namd"
  /** What the job script printed. Its two outputs go to one file. */
  | "stdout"
  /** The same file as `stdout`. */
  | "stderr";

/** The methods: what each takes and gives. */
export interface Requests {
  /** Opens a session as in LSP. Job methods work without it; notifications come only after `initialized` or `subscribe`. */
  "initialize": { params: InitializeParams; result: InitializeResult };
  /** Announces the end of the session. After it every request is refused; `exit` follows. Jobs are not touched. */
  "shutdown": { params: NoParams; result: null };
  /** Makes a job of a NAMD config: finds its inputs, uploads them, and stores the job. The job exists whole or not at all. */
  "createJob": { params: CreateJobParams; result: CreateJobResult };
  /** Changes a job's name, labels, resources or launch command. */
  "updateJob": { params: UpdateJobParams; result: JobResult };
  /** Asks for notifications from now on. LSP clients get them by `initialize` and `initialized`. */
  "subscribe": { params: NoParams; result: SubscribeResult };
  /** Tells everything that `createJob` and `submit` would do — files, script, findings — and does nothing. */
  "previewJob": { params: PreviewJobParams; result: PreviewJobResult };
  /** Submits a job. On a job that has ended it makes a further attempt; on one that is on its way or on the cluster it is refused. The answer means that the ask is durably recorded. */
  "submit": { params: SubmitParams; result: JobResult };
  /** Gives one job. */
  "jobStatus": { params: JobStatusParams; result: JobResult };
  /** Lists jobs, newest first, a page at a time, from what is known. */
  "listJobs": { params: ListJobsParams; result: ListJobsResult };
  /** Gives every change in the life of a job, with its witness. */
  "jobHistory": { params: JobParams; result: JobHistoryResult };
  /** Gives a piece of a job's log, read on its cluster. To follow a log, ask again from the `offset` of the answer. */
  "jobLog": { params: JobLogParams; result: JobLogResult };
  /** Says what is wrong with a job and what to do about it, from what is known: the batch system's words, NAMD's log, the file system. */
  "diagnose": { params: JobParams; result: DiagnoseResult };
  /** Looks at the clusters now. A result younger than 5 s is given again. */
  "syncAll": { params: SyncAllParams; result: SyncAllResult };
  /** Cancels a job: withdraws it from the queue, ends it, or withdraws a submit on its way. The answer means that the ask is durably recorded; a job that is gone already is not an error. */
  "cancel": { params: CancelJobParams; result: JobResult };
  /** Deletes a job, after cancelling it if need be. Refused while its cluster does not answer and the job may live. */
  "deleteJob": { params: DeleteJobParams; result: DeleteJobResult };
  /** Lists a job's files on its cluster: its inputs as they were uploaded, and what its attempts wrote. */
  "listFiles": { params: JobParams; result: ListFilesResult };
  /** Fetches files of a job's newest attempt (and its inputs, if a pattern names them), compared by SHA-256 and continued where an interrupted download stopped. What is here as it is there is not fetched again. */
  "download": { params: DownloadParams; result: DownloadResult };
  /** Gives what happened since a change's number: what a client missed. */
  "changesSince": { params: ChangesSinceParams; result: ChangesSinceResult };
  /** Gives all clusters. */
  "listClusters": { params: NoParams; result: ListClustersResult };
  /** Gives one cluster. */
  "clusterStatus": { params: ClusterParams; result: ClusterStatus };
  /** Connects to a cluster now, instead of when it is needed. Asks the person what the login needs to know, if the client can. */
  "connect": { params: ConnectParams; result: ClusterStatus };
  /** Ends the connection to a cluster. The next need opens a new one. */
  "disconnect": { params: ClusterParams; result: ClusterStatus };
  /** Compares the list with a cluster: rows, the batch system's records, the remote directories. Where they differ the batch system wins, and the history says so. What has no row is told and left alone. Two remote commands. */
  "reconcile": { params: ReconcileParams; result: ReconcileResult };
  /** Finds this program's jobs in a cluster's directories — made by another laptop, or with a database that is lost — and takes them into the list with attempts and history. A cluster without jobs is searched by itself when it is first connected. Deleted jobs stay deleted. */
  "discoverJobs": { params: ClusterParams; result: DiscoverJobsResult };
  /** Takes a job that was submitted by hand into the list: its script, its directory, the NAMD config that the script runs. Only one's own. */
  "adoptJob": { params: AdoptJobParams; result: JobResult };
  /** Looks at everything a cluster needs to have — link, commands, roots, launch program — and says what to do about what is missing. A check that fails is told in the result; it is no error of the call. */
  "doctor": { params: DoctorParams; result: DoctorResult };
}

/** What the server asks of a client that can prompt. */
export interface ServerRequests {
  /** A login needs what only the person knows. `null`, or any error, means that nobody answers; the login then ends with `authRequired`. */
  "authPrompt": { params: AuthPromptParams; result: AuthPromptResult | null };
  /** A host is not known, or shows another key than is recorded. A new key that is accepted is recorded in the first file of known hosts; a changed one is refused whatever is answered. */
  "hostKeyPrompt": { params: HostKeyPromptParams; result: HostKeyPromptResult };
}

/** What the server tells. */
export interface ServerNotifications {
  /** A change of a job was committed. */
  "jobStatusChanged": JobStatusChanged;
  /** A job's log has moved. Has no number of its own and is not repeated: the job holds the same. */
  "jobProgress": JobProgressed;
  /** A job was deleted. */
  "jobDeleted": JobDeleted;
  /** A cluster's health changed. */
  "clusterStatusChanged": ClusterStatusChanged;
  /** A look at a cluster ended. */
  "syncCompleted": SyncCompleted;
  /** How far a request is that carried a `workDoneToken`. */
  "$/progress": ProgressParams;
  /** Something for the client's log. */
  "window/logMessage": LogMessage;
}

/** What the server listens to. */
export interface ClientNotifications {
  /** The client is ready for notifications. */
  "initialized": NoParams;
  /** Withdraws a request. It is answered all the same: with −32800, or with its result when the effect was already done. */
  "$/cancelRequest": CancelParams;
  /** Ends the server. Its exit code is 0 after `shutdown`, else 1. */
  "exit": NoParams;
}

/** The error codes, by `data.kind`. */
export const ERROR_CODES = {
  /** A message or frame could not be read: no JSON, a bad header, text that is not UTF-8, or an end in its middle. The answer's id is null. */
  parseError: -32700,
  /** A message is JSON but no JSON-RPC 2.0 request, is an empty batch, is larger than 16 MiB, or comes at the wrong time (a second initialize, anything after shutdown). */
  invalidRequest: -32600,
  /** There is no such method. The hint names the nearest one. */
  methodNotFound: -32601,
  /** A language feature was asked for before `initialize`. Job methods need none. */
  notInitialized: -32002,
  /** A parameter is missing or wrong; the message names it. */
  invalidParams: -32602,
  /** A defect in NAMDRunner; the log file holds the details. */
  internal: -32603,
  /** The request was withdrawn by `$/cancelRequest`, or the server is ending, before it had its effect. */
  cancelled: -32800,
  /** No job has this id. */
  jobNotFound: -32010,
  /** No cluster of this name is configured. */
  clusterNotFound: -32011,
  /** config.toml is wrong; the message names file, line and key. Or a setting given with the call is. */
  settingsInvalid: -32012,
  /** The NAMD config cannot be run as it stands; `findings` says where and why. */
  namdConfigInvalid: -32013,
  /** The NAMD config, or a file it sources, cannot be read on this machine. */
  configNotReadable: -32014,
  /** A file that the NAMD config needs is missing, is a directory, or cannot be read; `findings` says which. */
  inputMissing: -32015,
  /** The job's state does not allow what was asked. */
  refusedInState: -32016,
  /** The cluster cannot be reached or does not answer. */
  clusterUnavailable: -32017,
  /** The cluster asks for a login that nobody present can give. */
  authRequired: -32018,
  /** The cluster's host key is unknown, revoked, or not the one recorded. */
  hostKeyChanged: -32019,
  /** Slurm refused the job; the message holds its words. */
  slurmRejected: -32020,
  /** The submission was sent and its outcome is not known yet. It is being looked for; submitting again is safe. */
  submitUnknown: -32021,
  /** A command on the cluster failed. */
  remoteCommandFailed: -32022,
  /** A file could not be moved to or from the cluster. */
  transferFailed: -32023,
  /** A disk or quota is full. */
  quota: -32024,
  /** The job database cannot be opened, read or written. */
  storeUnavailable: -32025,
  /** Another process holds the job database. */
  storeBusy: -32026,
  /** The job database was written by a newer NAMDRunner. */
  storeTooNew: -32027,
  /** Something took longer than it may. */
  timeout: -32028,
  /** The background server ended before it had answered. Another is started by itself. */
  serverLost: -32029,
} as const;

/** The kinds of errors this version knows. */
export type ErrorKind = keyof typeof ERROR_CODES;
