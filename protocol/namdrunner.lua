---@meta
-- Generated from the Rust types of NAMDRunner; `namdrunner schema --write protocol` writes it anew.
-- Readers ignore fields and show words that they do not know.
error('Cannot import a meta module')

--- What `adoptJob` takes.
---@class namdrunner.AdoptJobParams
---@field cluster string The cluster's name in config.toml.
---@field slurmJobId string The batch system's id: `1018`, or `1018_3` for a member of an array.

--- One thing to do.
---@class namdrunner.Advice
---@field code string A word for it: `requestTime`, `submitAgain`, `correct`, …
---@field text string What to do.
---@field safeToRepeat boolean Submitting again after it, with nothing else changed, may well succeed.
---@field edit? namdrunner.Edit What to change in what the job asks for: give it to `updateJob` as it is.

--- One submission of a job and what came of it.
---@class namdrunner.Attempt
---@field n integer Its number, from 1.
---@field askedAt namdrunner.Time When it was asked for.
---@field slurmJobId? string The batch system's id, once it has one.
---@field submittedAt? namdrunner.Time When the batch system took it.
---@field startedAt? namdrunner.Time When it started (last).
---@field endedAt? namdrunner.Time When it ended.
---@field outcome? namdrunner.Status How it ended: `COMPLETED`, `FAILED`, `CANCELLED` or `UNKNOWN`.
---@field cause? namdrunner.Cause Why it failed or who cancelled it.
---@field memberCounts? namdrunner.MemberCounts How the members of an array stood, or stand.

--- What a login asks. Its texts come from the cluster where the method is `keyboard-interactive`.
---@class namdrunner.AuthPromptParams
---@field cluster string The cluster's name in config.toml.
---@field host string The host that asks; on the way to a cluster it may be another one than the cluster's.
---@field user string The user there.
---@field method namdrunner.PromptMethod What is being tried.
---@field name string A title. Empty: there is none.
---@field instructions string What is said about the prompts. Empty: nothing.
---@field prompts namdrunner.Prompt[] What is asked; show all of it at once.
---@field attempt integer Counts the attempts with this method, from 1.
---@field reason string Why it is asked (again). Empty: there is nothing to say.

--- The answers to an `authPrompt`.
---@class namdrunner.AuthPromptResult
---@field answers string[] One for each prompt, in their order.

--- What `cancel` takes.
---@class namdrunner.CancelJobParams
---@field jobId string The job.
---@field members? integer[] Only these members of an array, by their ids. Absent: the whole job.

--- What `$/cancelRequest` takes.
---@class namdrunner.CancelParams
---@field id namdrunner.RequestId The id of the request that is withdrawn.

--- Why a job failed, or who cancelled it.
---@class namdrunner.Cause
---@field code namdrunner.CauseCode A word to switch on.
---@field text string The same for a person, with the figures.

--- Why a job failed. Readers show words they do not know.
---@alias namdrunner.CauseCode
---| "exitCode" # The script ended with a non-zero exit code.
---| "markerDisagrees" # The batch system said it went well; the job's own end marker says otherwise.
---| "logDisagrees" # The batch system said it went well; NAMD's log holds a fatal error.
---| "timeLimit" # The wall-clock limit was reached.
---| "outOfMemory" # It ran out of memory.
---| "nodeFail" # A node failed.
---| "bootFail" # Its nodes could not be booted.
---| "deadline" # Its deadline passed.
---| "preempted" # It was preempted and not put back.
---| "revoked" # It was revoked in favour of a sibling cluster.
---| "vanished" # Its processes are gone without a trace of their end.
---| "cancelled" # Somebody cancelled it.

--- A change as its notification tells it: with a `job` it is a `jobStatusChanged`, without one a `jobDeleted`.
---@alias namdrunner.Change namdrunner.JobStatusChanged|namdrunner.JobDeleted

--- What `changesSince` takes.
---@class namdrunner.ChangesSinceParams
---@field storeId string The store's id, from `subscribe` or `listJobs`. Another store's id gives `truncated`.
---@field seq integer The number of the last change the caller knows.
---@field limit? integer At most this many, from 1 to 1000. Absent: 500.

--- What happened since.
---@class namdrunner.ChangesSinceResult
---@field changes namdrunner.Change[] The changes, oldest first, each as its notification would tell it. The job in it is as it is now, not as it was then.
---@field seq integer The number to give the next time.
---@field truncated boolean There is more. With changes: ask again from `seq`. Without: the store is another one, or its past is gone; list the jobs anew.

--- One thing that was looked at.
---@class namdrunner.Check
---@field cluster string The cluster.
---@field name string What was looked at, a word or two: `link`, `sbatch`, `scratch root`.
---@field ok boolean Whether jobs can run as far as this goes.
---@field detail string What was found.
---@field hint? string What to do about it; with `ok`, what is worth knowing.

--- A client's name and version.
---@class namdrunner.ClientInfo
---@field name string Its name.
---@field version? string Its version.

--- One failure of a cluster.
---@class namdrunner.ClusterFailure
---@field at namdrunner.Time When.
---@field part string What failed: `connect`, `squeue`, `sacct`, `marker`, `submit`, …
---@field exit? integer Its exit code, if it ran.
---@field message string The first line of its error output, or what was wrong.

--- How a cluster is. Readers show words they do not know.
---@alias namdrunner.ClusterHealth
---| "ok" # It answered.
---| "connecting" # A connection is being made.
---| "authRequired" # It asks for a login.
---| "unavailable" # It does not answer.
---| "unchecked" # It has not been asked yet.

--- The cluster a method is about.
---@class namdrunner.ClusterParams
---@field cluster string The cluster's name in config.toml.

--- A cluster, as it is known now.
---@class namdrunner.ClusterStatus
---@field name string Its name in config.toml.
---@field host? string Its host. Absent: this machine.
---@field scheduler string `slurm` or `direct`.
---@field health namdrunner.ClusterHealth How it is.
---@field since namdrunner.Time Since when it is so.
---@field reason? string Why it is not ok.
---@field hint? string What to do about that.
---@field sources namdrunner.Sources What is asked for the state of jobs, and how it answered last. All are asked in one command.
---@field intervalSeconds integer Seconds between two looks at present; more when it is slow or does not answer.
---@field lastSync? namdrunner.Time The last look that succeeded.
---@field nextSync? namdrunner.Time The next look. Absent: none is planned, nothing is active.
---@field latencyMs? integer How long the last look took, in milliseconds.
---@field queriesLastHour integer Looks in the last hour.
---@field errors namdrunner.ClusterFailure[] Its last 50 failures, the newest last.
---@field activeJobs integer Jobs that are on their way, in the queue or on nodes.
---@field defaults namdrunner.Resources What a job asks for when it does not say.

--- A cluster's health changed.
---@class namdrunner.ClusterStatusChanged
---@field cluster string The cluster.
---@field status namdrunner.ClusterStatus How it is now.

--- What one cluster's part of a sync came to.
---@class namdrunner.ClusterSynced
---@field cluster string The cluster.
---@field health namdrunner.ClusterHealth How it is now.
---@field queried integer How many jobs were asked about; 0 when nothing is active and nothing was asked.
---@field changed integer How many jobs changed.
---@field tookMs integer How long it took, in milliseconds.
---@field error? string Why it failed.

--- One thing that is not as it is known here.
---@class namdrunner.ComparedItem
---@field kind namdrunner.ComparedKind What differs.
---@field jobId? string The job, if it is one of this program's.
---@field jobName? string Its name.
---@field slurmJobId? string The batch system's id.
---@field path? string A directory on the cluster.
---@field found string What was found: the raw line, or a sentence.
---@field changed? string What was changed here. Absent: nothing.
---@field why string Why, and what can be done about it.

--- What differs. Readers show words they do not know.
---@alias namdrunner.ComparedKind
---| "statusDiffers" # The batch system says another status than the list. It wins.
---| "detailsDiffer" # The status is right; something that is told beside it was not.
---| "jobMissing" # Neither the queue nor another witness holds the job: it is unconfirmed.
---| "attemptWithoutRow" # An attempt of the job was submitted from elsewhere.
---| "directoryMissing" # The job's directory below the project root is gone.
---| "directoryWithoutRow" # A directory with the name of a job, and no such job in the list.
---| "deletedHere" # The same, of a job that was deleted here.
---| "unfinishedUpload" # An upload that is not whole.
---| "submissionOpen" # A submission without an outcome.
---| "cancellationAsked" # A cancellation that has had no effect yet.
---| "deletionAsked" # A deletion that has not happened yet.
---| "jobWithoutRow" # A job in the queue that this program submitted, and no such job in the list.
---| "foreignJob" # A job of the person's that this program did not submit.

--- How the sources of a comparison answered.
---@class namdrunner.ComparedSources
---@field directories namdrunner.SourceStatus The directories below both roots.
---@field squeue namdrunner.SourceStatus The queue.
---@field sacct namdrunner.SourceStatus The accounting records; asked only about jobs that the queue does not hold.
---@field marker namdrunner.SourceStatus The jobs' own end markers; as above.

--- One component of a heterogeneous job.
---@class namdrunner.Component
---@field id integer Its number, from 0.
---@field status namdrunner.Status Where it is in its life.
---@field slurmJobId? string The batch system's id, `123+0`.
---@field slurmState string The batch system's own last word for its state.
---@field exitCode? integer Its exit code.
---@field signal? integer The signal that ended it.
---@field startedAt? namdrunner.Time When it started.
---@field completedAt? namdrunner.Time When it ended.
---@field nodes? string Its nodes.
---@field partition? string Its partition.
---@field maxRssBytes? integer Its largest resident memory in bytes.

--- What `connect` takes.
---@class namdrunner.ConnectParams
---@field cluster string The cluster's name in config.toml.
---@field workDoneToken? namdrunner.ProgressToken Where `$/progress` is reported to.

--- What `createJob` takes.
---@class namdrunner.CreateJobParams
---@field configPath string The NAMD config on this machine: an absolute path.
---@field cluster? string The cluster's name in config.toml. Absent: the default cluster.
---@field name? string A name for people. Absent: the config's file name without its ending.
---@field resources? namdrunner.Resources What it asks of the batch system; the cluster's defaults fill the rest.
---@field launch? string How NAMD is started, instead of the cluster's way: a command with `{config}` and `{log}`.
---@field inputs? string[] Further files or globs, relative to the config's directory.
---@field array? string Makes it an array with these members, as Slurm writes them: `0-9`, `1,3,5-7:2`, and behind `%` how many may run at once (`0-9%4`). Each member runs in a tree of its own.
---@field labels? table<string, string> The person's own labels.
---@field idempotencyKey? string Any text of the caller's: a repeated call with the same one returns the first job, so that a call whose answer was lost can be made again.
---@field submit? boolean Submit it at once. Absent: no.
---@field workDoneToken? namdrunner.ProgressToken Where `$/progress` is reported to.

--- What `createJob` gives.
---@class namdrunner.CreateJobResult
---@field job namdrunner.Job The job.
---@field findings namdrunner.Finding[] What was found in the config; no errors are among it.

--- What `deleteJob` takes.
---@class namdrunner.DeleteJobParams
---@field jobId string The job.
---@field remoteFiles? boolean Remove its directories on the cluster too. Absent: no.

--- What `deleteJob` gives.
---@class namdrunner.DeleteJobResult
---@field deleted boolean Always true: what could not be deleted is an error.
---@field remote string[] The directories that were removed on the cluster.

--- What `diagnose` gives.
---@class namdrunner.DiagnoseResult
---@field diagnosis? namdrunner.Diagnosis What is wrong. Absent: nothing that is known.

--- What is wrong with a job, and what to do.
---@class namdrunner.Diagnosis
---@field cause string One cause, in a word: `timeLimit`, `inputMissing`, `unstable`, …; `unknown` if nothing shows why. Readers show words they do not know.
---@field summary string What happened, in a sentence or two.
---@field evidence namdrunner.Evidence[] The lines that show it.
---@field advice namdrunner.Advice[] What to do, the best first.
---@field range? namdrunner.Range Where in the NAMD config, if it lies there.

--- What `discoverJobs` gives.
---@class namdrunner.DiscoverJobsResult
---@field cluster string The cluster.
---@field at namdrunner.Time When.
---@field jobs namdrunner.Job[] The jobs that were taken into the list, as they are now.
---@field items namdrunner.ComparedItem[] What was found and not taken in, and why.
---@field moreDirectories integer Directories beyond the bound of one look, the oldest ones: not looked at.

--- What `doctor` takes.
---@class namdrunner.DoctorParams
---@field cluster? string Only this cluster. Absent: all, side by side.

--- What `doctor` gives.
---@class namdrunner.DoctorResult
---@field checks namdrunner.Check[] What was looked at, cluster by cluster.

--- What `download` takes.
---@class namdrunner.DownloadParams
---@field jobId string The job.
---@field patterns? string[] Which files, by `*`, `?`, `[…]` and `**` against their `path`; a pattern without a slash is one of names. Absent: what the newest attempt wrote, but for trajectories and files over 100 MB.
---@field to? string The directory on this machine, absolute. Absent: one of the job's id beside its config.
---@field workDoneToken? namdrunner.ProgressToken Where `$/progress` is reported to.

--- What `download` gives.
---@class namdrunner.DownloadResult
---@field to string The directory on this machine.
---@field files namdrunner.DownloadedFile[] The files in it, by path.

--- A file of a download.
---@class namdrunner.DownloadedFile
---@field path string Where it is in the job's tree.
---@field local string Where it is on this machine.
---@field bytes integer Its size in bytes.
---@field fetched boolean Whether it was fetched now. Otherwise it was here already, with the size and date it has there.

--- How long a job spent in a status.
---@class namdrunner.Duration
---@field status namdrunner.Status The status.
---@field seconds integer Seconds spent in it.

--- A change of what a job asks for.
---@class namdrunner.Edit
---@field walltime? string A wall-clock limit, as Slurm writes it.
---@field memory? string Memory per node, as Slurm writes it.

--- What an error answer carries in `data`.
---@class namdrunner.ErrorData
---@field kind string The error's kind, a word to switch on. Readers treat words they do not know by `retryable`.
---@field hint? string What to do about it.
---@field retryable boolean Whether the same call may succeed later without anything being changed by hand.
---@field jobId? string The job concerned.
---@field cluster? string The cluster concerned.
---@field findings? namdrunner.Finding[] Findings in the NAMD config, when they are the reason.

--- What went wrong with what was asked, kept with the job.
---@class namdrunner.ErrorInfo
---@field kind string The error's kind, as in `data.kind` of an error answer.
---@field message string What happened and why.
---@field hint? string What to do.
---@field at namdrunner.Time When.

--- A line that shows it.
---@class namdrunner.Evidence
---@field source string Who says so: `slurm`, `marker`, `log`, `output`, `config`, `disk`, `observed`.
---@field text string Its words.
---@field file? string The file, relative to the attempt's working directory.
---@field line? integer The line in the file, from 1.

--- What `workspace/executeCommand` takes.
---@class namdrunner.ExecuteCommandOptions
---@field commands string[] `namdrunner.create`, `namdrunner.createAndSubmit` and `namdrunner.preview` take the address of a config; `namdrunner.submit`, `namdrunner.cancel`, `namdrunner.status` and `namdrunner.diff` the id of a job; `namdrunner.sync` takes nothing.

--- What would be done with a file.
---@alias namdrunner.FileAction
---| "upload" # It would be sent.
---| "reuse" # It is there already.
---| "onCluster" # The config names it by an absolute path that is only on the cluster; it is left alone.

--- Where a file lies.
---@alias namdrunner.FilePlace
---| "project" # In the job's project directory, which is kept.
---| "scratch" # In an attempt's working tree, which a site may purge.

--- One thing found in a NAMD config, with its place.
---@class namdrunner.Finding
---@field severity namdrunner.Severity How much it matters.
---@field code string What kind of thing it is, a word to switch on.
---@field message string What happened, why, and what to do.
---@field file string The file it is about: absolute, or relative to the config's directory.
---@field range namdrunner.Range Where in the file.

--- One change in the life of a job.
---@class namdrunner.HistoryEntry
---@field seq integer The change's number in this store.
---@field at namdrunner.Time When, by this machine's clock.
---@field from? namdrunner.Status The status before. Absent: the job was made.
---@field to namdrunner.Status The status after.
---@field phase? namdrunner.Phase The finer phase after.
---@field source namdrunner.Source Who witnessed it.
---@field evidence? string What the witness said: the raw line, or a few words. It is dropped some time after (see `retention` in config.toml).
---@field attempt integer The attempt it belongs to; 0 before the first.
---@field secondsInFrom integer Seconds spent in the status before.

--- A host key that is not recorded, or another one than recorded.
---@class namdrunner.HostKeyPromptParams
---@field cluster string The cluster's name in config.toml.
---@field host string The host; on the way to a cluster it may be another one than the cluster's.
---@field port integer Its port.
---@field algorithm string The key's type, as `ssh-ed25519`.
---@field fingerprint string The key's fingerprint, as `ssh-keygen -l` prints it; to be compared with what the site publishes.
---@field state namdrunner.HostKeyState Whether the host is new or its key another one.
---@field knownFingerprint? string The fingerprint that is recorded. Absent: the host is new.

--- The answer to a `hostKeyPrompt`.
---@class namdrunner.HostKeyPromptResult
---@field accept boolean Whether the key is the right one.

--- What is wrong with a host key. Readers show words they do not know.
---@alias namdrunner.HostKeyState
---| "new" # The host is not recorded; the key can be accepted, and is recorded then.
---| "changed" # Another key is recorded: somebody may be listening in. The connection is refused whatever the answer is; the request informs.

--- What `initialize` takes that is special to this server.
---@class namdrunner.InitializationOptions
---@field client? namdrunner.ClientInfo Who the client is.
---@field canPrompt? boolean A person is there to answer prompts. Absent: no.

--- What `initialize` takes. All other LSP fields are accepted and ignored.
---@class namdrunner.InitializeParams
---@field clientInfo? namdrunner.ClientInfo Who the client is, as LSP clients say it.
---@field initializationOptions? namdrunner.InitializationOptions What is special to this server.

--- What `initialize` gives.
---@class namdrunner.InitializeResult
---@field capabilities namdrunner.ServerCapabilities What this server does of LSP.
---@field serverInfo namdrunner.ServerInfo Who the server is.
---@field namdrunner namdrunner.ServerFacts What is special to this server.

--- One NAMD simulation on a cluster, as it is known now.
---@class namdrunner.Job
---@field jobId string The job's id: safe in paths, file names and Slurm. Never reused.
---@field jobName string The person's name for it, free text.
---@field cluster string The cluster's name in config.toml.
---@field configPath string The NAMD config on the machine it was made from, absolute.
---@field configSha256 string SHA-256 of the config's bytes when it was read, in hex.
---@field createdAt namdrunner.Time When the job was asked for.
---@field updatedAt namdrunner.Time When anything about it last changed.
---@field submittedAt? namdrunner.Time When the batch system took its newest attempt.
---@field startedAt? namdrunner.Time When its newest attempt started (last).
---@field completedAt? namdrunner.Time When it ended, well or not.
---@field status namdrunner.Status Where it is in its life, in one word.
---@field phase namdrunner.Phase The finer truth of its status.
---@field slurmJobId? string The batch system's id of the newest attempt.
---@field slurmState? string The batch system's own last word for its state, as it printed it.
---@field reason? namdrunner.WaitReason Why it waits in the queue.
---@field exitCode? integer The exit code of the job script.
---@field signal? integer The signal that ended the job script.
---@field nodes? string Its nodes, as the batch system writes them (`c[1-3]`).
---@field partition? string The partition it is in.
---@field estimatedStart? namdrunner.Time When the batch system thinks it will start.
---@field timeUsedSeconds? integer Seconds since its start, or from start to end.
---@field timeLimitSeconds? integer Its wall-clock limit in seconds: the batch system's, or the one asked for.
---@field maxRssBytes? integer Its largest resident memory in bytes.
---@field restarts integer How often the batch system started the newest attempt again under the same id.
---@field labels table<string, string> The person's own labels.
---@field observed namdrunner.Observed How fresh this knowledge is.
---@field unconfirmedSince? namdrunner.Time Since when whole answers of the queue lack it, while it is not known what became of it.
---@field origin? namdrunner.Origin Where it came from. Absent: it was made here.
---@field projectDir string Its directory below the cluster's project root.
---@field scratchDir string Its directory below the cluster's scratch root; attempts run in numbered directories in it.
---@field resources namdrunner.Resources What it asks of the batch system, the cluster's defaults filled in.
---@field launch? string How NAMD is started, if not the cluster's way.
---@field array? string The members, as they were asked for (`0-9%4`). Absent: it is no array.
---@field memberCounts? namdrunner.MemberCounts How the members of an array stand.
---@field members? namdrunner.Member[] Each member of an array, by number. Only `jobStatus` tells them.
---@field components? namdrunner.Component[] The components of a heterogeneous job (`sbatch … : …`), by number. Absent: it has none.
---@field attempt integer The number of the newest attempt; 0 before the first submit.
---@field attempts namdrunner.Attempt[] All attempts, the newest last.
---@field cancelRequestedAt? namdrunner.Time When its cancellation was asked for, while that is not settled.
---@field cause? namdrunner.Cause Why it failed or who cancelled it, once it has ended so.
---@field errorInfo? namdrunner.ErrorInfo The last thing that went wrong with what was asked, while it still matters.
---@field progress? namdrunner.JobProgress How far its newest attempt is, by NAMD's log.
---@field diagnosis? namdrunner.Diagnosis What is wrong with it and what to do (in `jobStatus` alone).
---@field results namdrunner.Results Where its results are.

--- A job was deleted.
---@class namdrunner.JobDeleted
---@field seq integer The change's number in this store.
---@field jobId string The job.

--- A file of a job on its cluster.
---@class namdrunner.JobFile
---@field path string Where it is in the job's tree: the path that `download` matches patterns against.
---@field remote string Where it is on the cluster.
---@field role string What it is: for an input what the config calls it (`structure`, `parameters`, `config`, …), else `log`, `restart`, `trajectory`, `xst`, `colvars`, `control` or `output`.
---@field input boolean Whether it was uploaded.
---@field bytes integer Its size in bytes.
---@field modified? namdrunner.Time When it was modified, by the cluster's clock.
---@field place namdrunner.FilePlace Where on the cluster that is.
---@field attempt? integer The attempt that wrote it. Absent: none did.

--- The history of a job, oldest first.
---@class namdrunner.JobHistoryResult
---@field entries namdrunner.HistoryEntry[] One entry for each change.
---@field durations namdrunner.Duration[] How long it spent in each status, all attempts together, in the order it came to them. One that it is in counts until now; an end has no duration.

--- What `jobLog` takes. At most one of `offset` and `tail`; without either the end is given.
---@class namdrunner.JobLogParams
---@field jobId string The job.
---@field which? namdrunner.WhichLog Which log. Absent: NAMD's.
---@field offset? integer From this byte on. To follow a log, give the `offset` of the answer before.
---@field tail? integer So many bytes at its end, from the beginning of a line on.
---@field attempt? integer The attempt. Absent: the newest.

--- A piece of a log.
---@class namdrunner.JobLogResult
---@field text string Its text, at most 1 MiB; bytes that are not UTF-8 are replaced.
---@field path string The file on the cluster.
---@field from integer The byte it begins at.
---@field offset integer The byte where the next piece begins.
---@field size integer The size of the file; 0 if it is not there yet.
---@field eof boolean Nothing more is there now.

--- The job a method is about.
---@class namdrunner.JobParams
---@field jobId string The job.

--- How far a run is, by NAMD's log.
---@class namdrunner.JobProgress
---@field segment integer Which `run` or `minimize`, from 1; 0 while NAMD starts.
---@field segments? integer Of how many. Absent: the config does not say beforehand.
---@field minimizing boolean The segment minimises.
---@field step integer The last step, as NAMD counts: from `firsttimestep` on.
---@field stepsDone integer Steps that this attempt has done.
---@field totalSteps? integer Steps that it is to do in all. Absent: not known beforehand.
---@field nsDone number Nanoseconds of dynamics that it has done.
---@field nsPerDay? number Nanoseconds simulated in a day.
---@field etaSeconds? integer Seconds until its last step, if it stays as fast.
---@field finishesBeforeLimit? boolean Whether its last step comes before its time limit. Absent: not known, or it has ended.
---@field shortBySeconds? integer Seconds that it needs beyond its time limit, if it does not.
---@field temperature? number The last temperature, in kelvin.
---@field energies? table<string, number> The last energies by NAMD's names for them, in its units. One that is not a number is left out.
---@field warnings integer How many warnings NAMD has printed.
---@field restartStep? integer The step of the last complete set of restart files.
---@field at? namdrunner.Time When the log was last read.

--- A job's log has moved, or has been read to its end.
---@class namdrunner.JobProgressed
---@field seq integer The number of the last change in this store when this was told.
---@field jobId string The job.
---@field progress? namdrunner.JobProgress How far it is. Absent: NAMD has said nothing yet.
---@field diagnosis? namdrunner.Diagnosis What is wrong with it. Absent: nothing that is known.

--- A job, as it is after the call.
---@class namdrunner.JobResult
---@field job namdrunner.Job The job.

--- A change of a job was committed. Also sent when the status stays and something else changed: then `from` and `to` are equal.
---@class namdrunner.JobStatusChanged
---@field seq integer The change's number in this store.
---@field jobId string The job.
---@field job namdrunner.Job The job, as it is after the change.
---@field from? namdrunner.Status The status before. Absent: the job was made.
---@field to namdrunner.Status The status after.
---@field phase? namdrunner.Phase The finer phase after.
---@field at namdrunner.Time When, by this machine's clock.
---@field source namdrunner.Source Who witnessed it.
---@field evidence? string What the witness said: the raw line, or a few words.
---@field secondsInFrom integer Seconds spent in the status before.

--- What `jobStatus` takes.
---@class namdrunner.JobStatusParams
---@field jobId string The job.
---@field sync? boolean Look at the cluster first. Absent: no, answer from what is known.

--- What `listClusters` gives.
---@class namdrunner.ListClustersResult
---@field clusters namdrunner.ClusterStatus[] The clusters, in the order of config.toml.

--- A job's files.
---@class namdrunner.ListFilesResult
---@field files namdrunner.JobFile[] The files: those that belong to no attempt first, then attempt by attempt.

--- What `listJobs` takes. What is absent does not filter.
---@class namdrunner.ListJobsParams
---@field status? namdrunner.Status[] Only these statuses.
---@field cluster? string Only this cluster.
---@field configPath? string Only jobs made from this config (absolute path).
---@field text? string Only jobs whose name, id, Slurm id or label values hold this text, in any case.
---@field limit? integer At most this many, from 1 to 1000. Absent: 200.
---@field after? string `next` of the page before.

--- A page of jobs, newest first.
---@class namdrunner.ListJobsResult
---@field jobs namdrunner.Job[] The jobs.
---@field next? string What to give as `after` for the next page. Absent: this is the last.
---@field seq integer The number of the last change this page holds; for `changesSince`.
---@field storeId string The store's id; for `changesSince`.

--- Something for the client's log.
---@class namdrunner.LogMessage
---@field type integer 1 error, 2 warning, 3 information.
---@field message string The message.

--- One member of an array. It runs in the directory `<scratchDir>/<attempt>/<id>`.
---@class namdrunner.Member
---@field id integer Its number: `{index}` in `launch`, `$env(NAMDRUNNER_INDEX)` in the configuration.
---@field status namdrunner.Status Where it is in its life.
---@field slurmJobId? string The batch system's id.
---@field slurmState? string The batch system's own last word for its state.
---@field reason? namdrunner.WaitReason Why it waits, if that is not the array's reason.
---@field exitCode? integer The exit code of its script.
---@field signal? integer The signal that ended its script.
---@field startedAt? namdrunner.Time When it started (last).
---@field completedAt? namdrunner.Time When it ended.
---@field nodes? string Its nodes.
---@field maxRssBytes? integer Its largest resident memory in bytes.
---@field restarts? integer How often it was started again, if it was.
---@field unconfirmedSince? namdrunner.Time Since when neither the queue nor anything else tells of it, while it should be there.
---@field cancelRequestedAt? namdrunner.Time When cancelling it alone was asked for, while that is not settled.
---@field cause? namdrunner.Cause Why it failed or who cancelled it.

--- How the members of an array stand. Before the array is in the queue all but `total` are 0.
---@class namdrunner.MemberCounts
---@field total integer How many there are.
---@field pending integer In the queue.
---@field running integer On their nodes.
---@field completed integer Ended well.
---@field failed integer Ended badly.
---@field cancelled integer Ended by somebody.
---@field unknown integer Nothing witnessed their end.

--- Nothing special about it.
---@class namdrunner.NoOptions

--- Nothing is taken.
---@class namdrunner.NoParams

--- How fresh the knowledge of a job is.
---@class namdrunner.Observed
---@field at? namdrunner.Time When the cluster was last asked about it with success.
---@field source? namdrunner.Source Who last said something new about it.
---@field ageSeconds? integer How long ago the cluster was last asked about it with success, in seconds.
---@field stale boolean It is older than it should be: the cluster does not answer, or nobody asks.

--- Where a job came from.
---@class namdrunner.Origin
---@field kind namdrunner.OriginKind How it came into the list.
---@field at namdrunner.Time When it was found or adopted.
---@field script? string Of an adopted job: its script and arguments, as the batch system prints them.

--- How a job came into the list. Readers show words they do not know.
---@alias namdrunner.OriginKind
---| "discovered" # It was found in its directories on the cluster: made by another laptop, or with a database that is lost.
---| "adopted" # It was submitted by hand and adopted. It is followed and can be cancelled; its files are never written or removed, and it cannot be submitted again.

--- The finer truth of a status. Readers show words they do not know.
---@alias namdrunner.Phase
---| "uploading" # Its files are on their way.
---| "staged" # Its files are on the cluster; nothing has been asked for.
---| "waitingForLogin" # It waits until somebody logs in to the cluster.
---| "waitingForRoom" # The site allows no more jobs of this person now; it will be tried again.
---| "submitting" # It is on its way into the queue.
---| "unconfirmed" # An answer was lost, or the queue does not hold it: it is being looked for.
---| "queued" # It waits in the queue.
---| "held" # It waits in the queue until a person releases it.
---| "starting" # Its nodes are being made ready.
---| "running" # It runs.
---| "suspended" # It is stopped and keeps its nodes.
---| "finishing" # Its processes are being ended.
---| "settled" # It is over.

--- A place in a file, as in LSP.
---@class namdrunner.Position
---@field line integer The line, from 0.
---@field character integer The character in the line, from 0, in UTF-16 units.

--- One file of a preview.
---@class namdrunner.PreviewFile
---@field local? string Where it is on this machine, if it is here.
---@field remote string Where it is or will be on the cluster.
---@field bytes? integer Its size in bytes, if it is here.
---@field role string What the config calls it: `structure`, `parameters`, `config`, …
---@field sha256? string SHA-256 in hex, if it has been computed.
---@field action namdrunner.FileAction What would be done with it.

--- What `previewJob` takes: a config as for `createJob`, or the id of a job that exists.
---@class namdrunner.PreviewJobParams
---@field jobId? string A job that exists: what its next submit would do. Nothing else may be given with it.
---@field configPath? string The NAMD config on this machine: an absolute path.
---@field cluster? string The cluster's name in config.toml. Absent: the default cluster.
---@field name? string A name for people.
---@field resources? namdrunner.Resources What it asks of the batch system; the cluster's defaults fill the rest.
---@field launch? string How NAMD is started, instead of the cluster's way: a command with `{config}` and `{log}`.
---@field inputs? string[] Further files or globs, relative to the config's directory.
---@field array? string Makes it an array with these members, as Slurm writes them: `0-9`, `1,3,5-7:2`, and behind `%` how many may run at once (`0-9%4`). Each member runs in a tree of its own.
---@field workDoneToken? namdrunner.ProgressToken Where `$/progress` is reported to.

--- What creating and submitting would do.
---@class namdrunner.PreviewJobResult
---@field files namdrunner.PreviewFile[] The files.
---@field script string The job script.
---@field rewritten? string How the uploaded config differs from the one on this machine, as a unified diff. Absent: not at all.
---@field findings namdrunner.Finding[] What was found in the config, errors included.
---@field totalBytes integer Bytes that would be sent.

---@class namdrunner.Progress.begin
---@field kind "begin"
---@field title string What is being done.
---@field cancellable boolean Whether `$/cancelRequest` has an effect.

---@class namdrunner.Progress.report
---@field kind "report"
---@field message string What is being done now.
---@field percentage? integer Percent done, 0 to 100, never falling.
---@field bytes? integer Of a transfer: bytes done, of the whole.
---@field totalBytes? integer Of a transfer: bytes in all.
---@field bytesPerSecond? integer Of a transfer: bytes per second over the last seconds.
---@field secondsLeft? integer Of a transfer: seconds until all is done at this rate.
---@field file? namdrunner.ProgressFile Of a transfer: the file that moved last, if it travels by itself.

---@class namdrunner.Progress.end
---@field kind "end"

--- One piece of progress.
---@alias namdrunner.Progress namdrunner.Progress.begin|namdrunner.Progress.report|namdrunner.Progress.end

--- How far one file of a transfer is.
---@class namdrunner.ProgressFile
---@field path string Its path on the cluster.
---@field bytes integer Bytes done.
---@field totalBytes integer Its size in bytes.
---@field secondsLeft? integer Seconds until it is done at the present rate.

--- How far a request is.
---@class namdrunner.ProgressParams
---@field token namdrunner.ProgressToken The request's `workDoneToken`.
---@field value namdrunner.Progress What is told: once `begin`, then any number of `report`, once `end`, in this order and before the request's answer.

--- Where `$/progress` is reported to: chosen by the caller, one for each request.
---@alias namdrunner.ProgressToken integer|string

--- One line to be answered.
---@class namdrunner.Prompt
---@field text string What is asked for.
---@field echo boolean Whether the answer may be seen while it is typed.

--- What a login tries. Readers show words they do not know.
---@alias namdrunner.PromptMethod
---| "passphrase" # The passphrase of a key file on this machine; it is not sent anywhere.
---| "keyboard-interactive" # Whatever the host asks: passwords, codes, menus.
---| "password" # The account's password.

--- A stretch of a file, as in LSP; the end is not part of it.
---@class namdrunner.Range
---@field start namdrunner.Position Where it begins.
---@field end namdrunner.Position Where it ends.

--- What waiting for a reason comes to.
---@alias namdrunner.ReasonClass
---| "willStart" # It will start by itself.
---| "needsYou" # A person has to do something.
---| "never" # It can never start as it was asked for.
---| "unknown" # The word is not known here.

--- What `reconcile` takes.
---@class namdrunner.ReconcileParams
---@field cluster string The cluster's name in config.toml.
---@field dryRun? boolean Change nothing, only tell what would be changed. Absent: no.
---@field foreign? boolean List the person's other jobs in the queue too, those that this program did not submit. Absent: no, they are only counted.

--- What `reconcile` gives.
---@class namdrunner.ReconcileResult
---@field cluster string The cluster.
---@field at namdrunner.Time When.
---@field dryRun boolean Nothing was changed: `changed` tells what would be.
---@field jobs integer Jobs of this cluster in the list here.
---@field directories integer Job directories there.
---@field moreDirectories integer Directories beyond the bound of one look, the oldest ones: not looked at.
---@field foreignJobs integer The person's other jobs in the queue.
---@field sources namdrunner.ComparedSources How each source answered. One that failed says nothing, and nothing is concluded from that.
---@field items namdrunner.ComparedItem[] What is not as it is known here, job by job. A job that agrees is not among them.

--- The id of a request.
---@alias namdrunner.RequestId integer|string

--- What a job asks of the batch system. What is absent is left to the cluster's defaults.
---@class namdrunner.Resources
---@field nodes? integer Nodes (`--nodes`).
---@field ntasks? integer Tasks (`--ntasks`).
---@field cpusPerTask? integer Cores for each task (`--cpus-per-task`).
---@field memory? string Memory of each node, as Slurm writes it: `4G`, `512M` (`--mem`).
---@field walltime? integer Wall-clock limit in seconds (`--time`).
---@field partition? string Partition (`--partition`).
---@field qos? string Quality of service (`--qos`).
---@field account? string Account (`--account`).
---@field gres? string Generic resources, `gpu:1` (`--gres`).
---@field constraint? string Node features (`--constraint`).
---@field extra? string[] Further sbatch options, each as on the command line: `--mail-type=END`.

--- Where a job's results are.
---@class namdrunner.Results
---@field state namdrunner.ResultsState How far their collection is.
---@field files integer Files collected so far.
---@field bytes integer Bytes collected so far.
---@field reason? string Why it pauses.

--- How far the collection of results is.
---@alias namdrunner.ResultsState
---| "none" # Nothing has been collected: they are in the scratch directory, if anywhere.
---| "copying" # They are being copied.
---| "copied" # They are in the project directory.
---| "paused" # Copying goes no further until something is done.

--- What this server does of LSP.
---@class namdrunner.ServerCapabilities
---@field positionEncoding string How characters of positions are counted: `utf-16`.
---@field textDocumentSync namdrunner.TextDocumentSyncOptions Documents are told of when they are opened, changed, saved and closed.
---@field codeLensProvider namdrunner.NoOptions Lenses above a config: its job's state and what can be done. Their commands are those of `executeCommandProvider`.
---@field inlayHintProvider boolean The job's state at the line that runs something.
---@field documentLinkProvider namdrunner.NoOptions Links to the files a config names.
---@field codeActionProvider boolean Quick fixes for what was found.
---@field executeCommandProvider namdrunner.ExecuteCommandOptions The commands that the server carries out by itself.

--- What a client may want to know of this server.
---@class namdrunner.ServerFacts
---@field protocol integer The protocol's version. It grows only when something a client could rely on goes away.
---@field home string Where the server keeps its data.
---@field configFile string The settings file, whether it exists or not.
---@field logDir string The directory of the server's log files.
---@field daemonPid? integer The process id of the background server that all windows share. Absent: the server is this client's own (`serve --standalone`).

--- The server's name and version.
---@class namdrunner.ServerInfo
---@field name string `namdrunner`.
---@field version string The program's version.

--- How much a finding matters.
---@alias namdrunner.Severity
---| "error" # The job cannot be made or would certainly fail: it blocks.
---| "warning" # Something may go wrong or could not be determined.
---| "information" # Worth knowing.

--- Who says so.
---@alias namdrunner.Source
---| "local" # Decided on this machine.
---| "squeue" # The queue.
---| "sacct" # The accounting records.
---| "marker" # The marker files that the job's own script leaves.
---| "log" # NAMD's log, or what the batch system wrote into the job's own output.
---| "user" # The person.
---| "discovered" # What the job left in its directories on the cluster.

--- How a source answered. Readers show words they do not know.
---@alias namdrunner.SourceHealth
---| "notAsked" # It was not asked.
---| "ok" # It answered whole.
---| "absent" # This cluster does not have it.
---| "failed" # It failed, or its answer was not whole.

--- How one source answered last.
---@class namdrunner.SourceStatus
---@field health namdrunner.SourceHealth How.
---@field exit? integer The exit code of its command, if it ran and failed.
---@field reason? string What was wrong.

--- The sources of what is known of jobs.
---@class namdrunner.Sources
---@field squeue namdrunner.SourceStatus The queue.
---@field sacct namdrunner.SourceStatus The accounting records.
---@field marker namdrunner.SourceStatus The marker files that the jobs' own scripts leave.

--- Where a job is in its life. Readers show words they do not know.
---@alias namdrunner.Status
---| "CREATED" # Its files are on the cluster; it is not in the queue.
---| "PENDING" # It is in the queue.
---| "RUNNING" # It is on its nodes.
---| "COMPLETED" # It ended well.
---| "FAILED" # It ended badly.
---| "CANCELLED" # Somebody ended it.
---| "UNKNOWN" # The cluster no longer knows it and nothing witnessed its end.

--- What `submit` takes.
---@class namdrunner.SubmitParams
---@field jobId string The job.
---@field wait? boolean Answer when the batch system has answered. Absent: answer as soon as the ask is durably recorded; the rest comes by notification.
---@field workDoneToken? namdrunner.ProgressToken Where `$/progress` is reported to.

--- What `subscribe` gives.
---@class namdrunner.SubscribeResult
---@field seq integer The number of the last change that is not going to be notified.
---@field storeId string The store's id; for `changesSince`.

--- What `syncAll` takes.
---@class namdrunner.SyncAllParams
---@field cluster? string Only this cluster. Absent: all that have active jobs, side by side.
---@field workDoneToken? namdrunner.ProgressToken Where `$/progress` is reported to.

--- What `syncAll` gives.
---@class namdrunner.SyncAllResult
---@field clusters namdrunner.ClusterSynced[] What each cluster's part came to. A cluster that does not answer is told here; it is no error of the call.
---@field seq integer The number of the last committed change.

--- A look at a cluster ended.
---@class namdrunner.SyncCompleted
---@field cluster string The cluster.
---@field at namdrunner.Time When the look ended.
---@field queried integer How many jobs were asked about.
---@field changed integer How many jobs changed.
---@field tookMs integer How long it took, in milliseconds.
---@field error? string Why it failed.

--- How documents are told of.
---@class namdrunner.TextDocumentSyncOptions
---@field openClose boolean When they are opened and closed.
---@field change integer How changes are told: 2, as edits.
---@field save namdrunner.NoOptions When they are saved, without the text.

--- A moment: RFC 3339 in UTC with `Z` and milliseconds, so that texts sort as times do.
---@alias namdrunner.Time string

--- What `updateJob` takes. What is absent stays as it is.
---@class namdrunner.UpdateJobParams
---@field jobId string The job.
---@field name? string A new name.
---@field labels? table<string, string> New labels, replacing all old ones.
---@field resources? namdrunner.Resources New resources, replacing all old ones. Refused while the job is on its way or on the cluster.
---@field launch? string A new way to start NAMD. Refused while the job is on its way or on the cluster.

--- Why a job waits.
---@class namdrunner.WaitReason
---@field code string The batch system's word (`Priority`, `QOSMaxJobsPerUserLimit`).
---@field text string What the word means, for a person.
---@field class namdrunner.ReasonClass What it means for the job.

--- Which of a job's logs.
---@alias namdrunner.WhichLog
---| "namd" # NAMD's log.
---| "stdout" # What the job script printed. Its two outputs go to one file.
---| "stderr" # The same file as `stdout`.

--- The kinds of errors this version knows: `data.kind` of an error.
---@alias namdrunner.ErrorKind
---| "parseError" # -32700 A message or frame could not be read: no JSON, a bad header, text that is not UTF-8, or an end in its middle. The answer's id is null.
---| "invalidRequest" # -32600 A message is JSON but no JSON-RPC 2.0 request, is an empty batch, is larger than 16 MiB, or comes at the wrong time (a second initialize, anything after shutdown).
---| "methodNotFound" # -32601 There is no such method. The hint names the nearest one.
---| "notInitialized" # -32002 A language feature was asked for before `initialize`. Job methods need none.
---| "invalidParams" # -32602 A parameter is missing or wrong; the message names it.
---| "internal" # -32603 A defect in NAMDRunner; the log file holds the details.
---| "cancelled" # -32800 The request was withdrawn by `$/cancelRequest`, or the server is ending, before it had its effect.
---| "jobNotFound" # -32010 No job has this id.
---| "clusterNotFound" # -32011 No cluster of this name is configured.
---| "settingsInvalid" # -32012 config.toml is wrong; the message names file, line and key. Or a setting given with the call is.
---| "namdConfigInvalid" # -32013 The NAMD config cannot be run as it stands; `findings` says where and why.
---| "configNotReadable" # -32014 The NAMD config, or a file it sources, cannot be read on this machine.
---| "inputMissing" # -32015 A file that the NAMD config needs is missing, is a directory, or cannot be read; `findings` says which.
---| "refusedInState" # -32016 The job's state does not allow what was asked.
---| "clusterUnavailable" # -32017 The cluster cannot be reached or does not answer.
---| "authRequired" # -32018 The cluster asks for a login that nobody present can give.
---| "hostKeyChanged" # -32019 The cluster's host key is unknown, revoked, or not the one recorded.
---| "slurmRejected" # -32020 Slurm refused the job; the message holds its words.
---| "submitUnknown" # -32021 The submission was sent and its outcome is not known yet. It is being looked for; submitting again is safe.
---| "remoteCommandFailed" # -32022 A command on the cluster failed.
---| "transferFailed" # -32023 A file could not be moved to or from the cluster.
---| "quota" # -32024 A disk or quota is full.
---| "storeUnavailable" # -32025 The job database cannot be opened, read or written.
---| "storeBusy" # -32026 Another process holds the job database.
---| "storeTooNew" # -32027 The job database was written by a newer NAMDRunner.
---| "timeout" # -32028 Something took longer than it may.
---| "serverLost" # -32029 The background server ended before it had answered. Another is started by itself.

--- The methods.
---@alias namdrunner.Method
---| "initialize" # namdrunner.InitializeParams -> namdrunner.InitializeResult. Opens a session as in LSP. Job methods work without it; notifications come only after `initialized` or `subscribe`.
---| "shutdown" # namdrunner.NoParams -> nil. Announces the end of the session. After it every request is refused; `exit` follows. Jobs are not touched.
---| "createJob" # namdrunner.CreateJobParams -> namdrunner.CreateJobResult. Makes a job of a NAMD config: finds its inputs, uploads them, and stores the job. The job exists whole or not at all.
---| "updateJob" # namdrunner.UpdateJobParams -> namdrunner.JobResult. Changes a job's name, labels, resources or launch command.
---| "subscribe" # namdrunner.NoParams -> namdrunner.SubscribeResult. Asks for notifications from now on. LSP clients get them by `initialize` and `initialized`.
---| "previewJob" # namdrunner.PreviewJobParams -> namdrunner.PreviewJobResult. Tells everything that `createJob` and `submit` would do — files, script, findings — and does nothing.
---| "submit" # namdrunner.SubmitParams -> namdrunner.JobResult. Submits a job. On a job that has ended it makes a further attempt; on one that is on its way or on the cluster it is refused. The answer means that the ask is durably recorded.
---| "jobStatus" # namdrunner.JobStatusParams -> namdrunner.JobResult. Gives one job.
---| "listJobs" # namdrunner.ListJobsParams -> namdrunner.ListJobsResult. Lists jobs, newest first, a page at a time, from what is known.
---| "jobHistory" # namdrunner.JobParams -> namdrunner.JobHistoryResult. Gives every change in the life of a job, with its witness.
---| "jobLog" # namdrunner.JobLogParams -> namdrunner.JobLogResult. Gives a piece of a job's log, read on its cluster. To follow a log, ask again from the `offset` of the answer.
---| "diagnose" # namdrunner.JobParams -> namdrunner.DiagnoseResult. Says what is wrong with a job and what to do about it, from what is known: the batch system's words, NAMD's log, the file system.
---| "syncAll" # namdrunner.SyncAllParams -> namdrunner.SyncAllResult. Looks at the clusters now. A result younger than 5 s is given again.
---| "cancel" # namdrunner.CancelJobParams -> namdrunner.JobResult. Cancels a job: withdraws it from the queue, ends it, or withdraws a submit on its way. The answer means that the ask is durably recorded; a job that is gone already is not an error.
---| "deleteJob" # namdrunner.DeleteJobParams -> namdrunner.DeleteJobResult. Deletes a job, after cancelling it if need be. Refused while its cluster does not answer and the job may live.
---| "listFiles" # namdrunner.JobParams -> namdrunner.ListFilesResult. Lists a job's files on its cluster: its inputs as they were uploaded, and what its attempts wrote.
---| "download" # namdrunner.DownloadParams -> namdrunner.DownloadResult. Fetches files of a job's newest attempt (and its inputs, if a pattern names them), compared by SHA-256 and continued where an interrupted download stopped. What is here as it is there is not fetched again.
---| "changesSince" # namdrunner.ChangesSinceParams -> namdrunner.ChangesSinceResult. Gives what happened since a change's number: what a client missed.
---| "listClusters" # namdrunner.NoParams -> namdrunner.ListClustersResult. Gives all clusters.
---| "clusterStatus" # namdrunner.ClusterParams -> namdrunner.ClusterStatus. Gives one cluster.
---| "connect" # namdrunner.ConnectParams -> namdrunner.ClusterStatus. Connects to a cluster now, instead of when it is needed. Asks the person what the login needs to know, if the client can.
---| "disconnect" # namdrunner.ClusterParams -> namdrunner.ClusterStatus. Ends the connection to a cluster. The next need opens a new one.
---| "reconcile" # namdrunner.ReconcileParams -> namdrunner.ReconcileResult. Compares the list with a cluster: rows, the batch system's records, the remote directories. Where they differ the batch system wins, and the history says so. What has no row is told and left alone. Two remote commands.
---| "discoverJobs" # namdrunner.ClusterParams -> namdrunner.DiscoverJobsResult. Finds this program's jobs in a cluster's directories — made by another laptop, or with a database that is lost — and takes them into the list with attempts and history. A cluster without jobs is searched by itself when it is first connected. Deleted jobs stay deleted.
---| "adoptJob" # namdrunner.AdoptJobParams -> namdrunner.JobResult. Takes a job that was submitted by hand into the list: its script, its directory, the NAMD config that the script runs. Only one's own.
---| "doctor" # namdrunner.DoctorParams -> namdrunner.DoctorResult. Looks at everything a cluster needs to have — link, commands, roots, launch program — and says what to do about what is missing. A check that fails is told in the result; it is no error of the call.

--- What the server asks of a client that can prompt.
---@alias namdrunner.ServerRequest
---| "authPrompt" # namdrunner.AuthPromptParams -> namdrunner.AuthPromptResult|nil. A login needs what only the person knows. `null`, or any error, means that nobody answers; the login then ends with `authRequired`.
---| "hostKeyPrompt" # namdrunner.HostKeyPromptParams -> namdrunner.HostKeyPromptResult. A host is not known, or shows another key than is recorded. A new key that is accepted is recorded in the first file of known hosts; a changed one is refused whatever is answered.

--- What the server tells.
---@alias namdrunner.Notification
---| "jobStatusChanged" # namdrunner.JobStatusChanged. A change of a job was committed.
---| "jobProgress" # namdrunner.JobProgressed. A job's log has moved. Has no number of its own and is not repeated: the job holds the same.
---| "jobDeleted" # namdrunner.JobDeleted. A job was deleted.
---| "clusterStatusChanged" # namdrunner.ClusterStatusChanged. A cluster's health changed.
---| "syncCompleted" # namdrunner.SyncCompleted. A look at a cluster ended.
---| "$/progress" # namdrunner.ProgressParams. How far a request is that carried a `workDoneToken`.
---| "window/logMessage" # namdrunner.LogMessage. Something for the client's log.
