//! The wire: every type that crosses it, and the table of methods and notifications.
//!
//! Wire types are not domain types: `rpc::view` makes the former from the latter. The protocol
//! grows by methods and optional fields; names are never changed and never mean something else.
//! `protocol/openrpc.json`, the TypeScript and Lua types and the tables in `protocol/README.md` are
//! generated from this room by [`emit`]; a test fails when they are stale.

mod calls;
mod cluster;
mod comparison;
pub mod emit;
mod failure;
mod files;
mod insight;
mod job;
mod lifecycle;
mod notifications;
mod prompts;
mod time;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ErrorKind;

pub use calls::{
    CancelJobParams, Change, ChangesSinceParams, ChangesSinceResult, CreateJobParams,
    CreateJobResult, DeleteJobParams, DeleteJobResult, Duration, FileAction, HistoryEntry,
    JobHistoryResult, JobParams, JobResult, JobStatusParams, ListJobsParams, ListJobsResult,
    NoParams, PreviewFile, PreviewJobParams, PreviewJobResult, SubmitParams, SubscribeResult,
    UpdateJobParams,
};
pub use cluster::{
    Check, ClusterFailure, ClusterHealth, ClusterParams, ClusterStatus, ClusterSynced,
    ConnectParams, DoctorParams, DoctorResult, ListClustersResult, SourceHealth, SourceStatus,
    Sources, SyncAllParams, SyncAllResult,
};
pub use comparison::{
    AdoptJobParams, ComparedItem, ComparedKind, ComparedSources, DiscoverJobsResult,
    ReconcileParams, ReconcileResult,
};
pub use failure::{
    ErrorCode, ErrorData, Finding, INVALID_REQUEST, METHOD_NOT_FOUND, NOT_INITIALIZED, PARSE_ERROR,
    Position, Range, Severity, error_code, error_codes,
};
pub use files::{
    DownloadParams, DownloadResult, DownloadedFile, FilePlace, JobFile, ListFilesResult,
};
pub use insight::{
    Advice, DiagnoseResult, Diagnosis, Edit, Evidence, JobLogParams, JobLogResult, JobProgress,
    WhichLog,
};
pub use job::{
    Attempt, Cause, CauseCode, Component, ErrorInfo, Job, Member, MemberCounts, Observed, Origin,
    OriginKind, Phase, ReasonClass, Resources, Results, ResultsState, Source, Status, WaitReason,
};
pub use lifecycle::{
    CancelParams, ClientInfo, ExecuteCommandOptions, InitializationOptions, InitializeParams,
    InitializeResult, NoOptions, ProgressToken, RequestId, ServerCapabilities, ServerFacts,
    ServerInfo, TextDocumentSyncOptions,
};
pub use notifications::{
    ClusterStatusChanged, JobDeleted, JobProgressed, JobStatusChanged, LogMessage, Progress,
    ProgressFile, ProgressParams, SyncCompleted,
};
pub use prompts::{
    Answer, AuthPromptParams, AuthPromptResult, HostKeyPromptParams, HostKeyPromptResult,
    HostKeyState, Prompt, PromptMethod,
};
pub use time::Time;

/// The protocol's version, as `initialize` tells it.
pub const VERSION: u32 = 1;

/// A request a client can make.
pub trait Method {
    /// Its name on the wire.
    const NAME: &'static str;
    /// What it takes.
    type Params: DeserializeOwned + JsonSchema + Send;
    /// What it gives.
    type Result: Serialize + JsonSchema;
}

/// A notification, of either direction.
pub trait Notification {
    /// Its name on the wire.
    const NAME: &'static str;
    /// What it tells.
    type Params: Serialize + JsonSchema;
}

/// A request this server makes of a client that said `canPrompt`.
pub trait Question {
    /// Its name on the wire.
    const NAME: &'static str;
    /// What it tells.
    type Params: Serialize + JsonSchema;
    /// What is answered.
    type Result: DeserializeOwned + JsonSchema;
}

/// What `$/cancelRequest` does to a request that is being worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// It is dropped at once: nothing is lost but the answer.
    Drop,
    /// The engine is told, undoes what can be undone, and answers.
    Ask,
    /// Nothing: it is short and must not be left half done.
    Ignore,
}

/// One row of the table of methods.
#[derive(Clone, Copy)]
pub struct MethodRow {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it does, for the reference.
    pub doc: &'static str,
    /// What `$/cancelRequest` does to it.
    pub withdrawal: Withdrawal,
    /// The title of its `$/progress`, if it takes a `workDoneToken`.
    pub progress: Option<&'static str>,
    /// Error kinds of its own, beside those that every method can answer.
    pub errors: &'static [ErrorKind],
    /// The schema of what it takes.
    pub params: fn(&mut SchemaGenerator) -> Schema,
    /// The schema of what it gives.
    pub result: fn(&mut SchemaGenerator) -> Schema,
}

impl MethodRow {
    /// Everything it can answer: its own errors, then those of every method.
    pub fn all_errors(&self) -> impl Iterator<Item = ErrorKind> {
        // Only these two answer without the database.
        let stored = self.name != Initialize::NAME && self.name != Shutdown::NAME;
        let of_the_store = [
            ErrorKind::SettingsInvalid,
            ErrorKind::StoreUnavailable,
            ErrorKind::StoreBusy,
            ErrorKind::StoreTooNew,
        ];
        let own = self.errors.iter().copied();
        own.chain([ErrorKind::InvalidParams, ErrorKind::Internal])
            .chain(of_the_store.into_iter().filter(move |_| stored))
    }
}

/// One row of the tables of notifications.
#[derive(Clone, Copy)]
pub struct NotificationRow {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it tells, for the reference.
    pub doc: &'static str,
    /// The schema of what it carries.
    pub params: fn(&mut SchemaGenerator) -> Schema,
}

/// One row of the table of questions.
#[derive(Clone, Copy)]
pub struct QuestionRow {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it asks, for the reference.
    pub doc: &'static str,
    /// The schema of what it tells.
    pub params: fn(&mut SchemaGenerator) -> Schema,
    /// The schema of what is answered.
    pub result: fn(&mut SchemaGenerator) -> Schema,
}

macro_rules! questions {
    ($(
        $(#[doc = $doc:literal])+
        $marker:ident = $name:literal: $params:ty => $result:ty;
    )*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy)]
            pub struct $marker;
            impl Question for $marker {
                const NAME: &'static str = $name;
                type Params = $params;
                type Result = $result;
            }
        )*
        /// What this server asks of clients, in the order of the reference.
        pub const QUESTIONS: &[QuestionRow] = &[$(QuestionRow {
            name: $name,
            doc: concat!($($doc, "\n"),+),
            params: SchemaGenerator::subschema_for::<$params>,
            result: SchemaGenerator::subschema_for::<$result>,
        }),*];
    };
}

macro_rules! methods {
    ($(
        $(#[doc = $doc:literal])+
        $marker:ident = $name:literal: $params:ty => $result:ty,
        $withdrawal:ident $(($title:literal))?, [$($kind:ident)*];
    )*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy)]
            pub struct $marker;
            impl Method for $marker {
                const NAME: &'static str = $name;
                type Params = $params;
                type Result = $result;
            }
        )*
        /// The methods this server answers, in the order of the reference.
        pub const METHODS: &[MethodRow] = &[$(MethodRow {
            name: $name,
            doc: concat!($($doc, "\n"),+),
            withdrawal: Withdrawal::$withdrawal,
            progress: title!($($title)?),
            errors: &[$(ErrorKind::$kind),*],
            params: SchemaGenerator::subschema_for::<$params>,
            result: SchemaGenerator::subschema_for::<$result>,
        }),*];
    };
}

macro_rules! title {
    () => {
        None
    };
    ($title:literal) => {
        Some($title)
    };
}

macro_rules! notifications {
    ($(#[doc = $table_doc:literal])+ $table:ident: $(
        $(#[doc = $doc:literal])+
        $marker:ident = $name:literal: $params:ty;
    )*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy)]
            pub struct $marker;
            impl Notification for $marker {
                const NAME: &'static str = $name;
                type Params = $params;
            }
        )*
        $(#[doc = $table_doc])+
        pub const $table: &[NotificationRow] = &[$(NotificationRow {
            name: $name,
            doc: concat!($($doc, "\n"),+),
            params: SchemaGenerator::subschema_for::<$params>,
        }),*];
    };
}

methods! {
    /// Opens a session as in LSP. Job methods work without it; notifications come only after
    /// `initialized` or `subscribe`.
    Initialize = "initialize": InitializeParams => InitializeResult, Ignore, [];
    /// Announces the end of the session. After it every request is refused; `exit` follows. Jobs
    /// are not touched.
    Shutdown = "shutdown": NoParams => (), Ignore, [];
    /// Makes a job of a NAMD config: finds its inputs, uploads them, and stores the job. The job
    /// exists whole or not at all.
    CreateJob = "createJob": CreateJobParams => CreateJobResult, Ask("Creating the job"),
        [ClusterNotFound NamdConfigInvalid ConfigNotReadable InputMissing
         ClusterUnavailable AuthRequired HostKeyChanged RemoteCommandFailed TransferFailed Quota
         RefusedInState Timeout];
    /// Changes a job's name, labels, resources or launch command.
    UpdateJob = "updateJob": UpdateJobParams => JobResult, Ignore,
        [JobNotFound RefusedInState];
    /// Asks for notifications from now on. LSP clients get them by `initialize` and `initialized`.
    Subscribe = "subscribe": NoParams => SubscribeResult, Ignore, [];
    /// Tells everything that `createJob` and `submit` would do — files, script, findings — and does
    /// nothing.
    PreviewJob = "previewJob": PreviewJobParams => PreviewJobResult, Ask("Looking at the inputs"),
        [JobNotFound ClusterNotFound ConfigNotReadable];
    /// Submits a job. On a job that has ended it makes a further attempt; on one that is on its way
    /// or on the cluster it is refused. The answer means that the ask is durably recorded.
    Submit = "submit": SubmitParams => JobResult, Ask("Submitting the job"),
        [JobNotFound RefusedInState ClusterNotFound ClusterUnavailable AuthRequired HostKeyChanged
         SlurmRejected SubmitUnknown RemoteCommandFailed Quota Timeout];
    /// Gives one job.
    JobStatus = "jobStatus": JobStatusParams => JobResult, Drop,
        [JobNotFound ClusterUnavailable AuthRequired HostKeyChanged Timeout];
    /// Lists jobs, newest first, a page at a time, from what is known.
    ListJobs = "listJobs": ListJobsParams => ListJobsResult, Drop, [];
    /// Gives every change in the life of a job, with its witness.
    JobHistory = "jobHistory": JobParams => JobHistoryResult, Drop, [JobNotFound];
    /// Gives a piece of a job's log, read on its cluster. To follow a log, ask again from the
    /// `offset` of the answer.
    JobLog = "jobLog": JobLogParams => JobLogResult, Drop,
        [JobNotFound RefusedInState ClusterNotFound ClusterUnavailable AuthRequired HostKeyChanged
         RemoteCommandFailed Timeout];
    /// Says what is wrong with a job and what to do about it, from what is known: the batch system's
    /// words, NAMD's log, the file system.
    Diagnose = "diagnose": JobParams => DiagnoseResult, Drop, [JobNotFound];
    /// Looks at the clusters now. A result younger than 5 s is given again.
    SyncAll = "syncAll": SyncAllParams => SyncAllResult, Drop("Looking at the clusters"),
        [ClusterNotFound];
    /// Cancels a job: withdraws it from the queue, ends it, or withdraws a submit on its way. The
    /// answer means that the ask is durably recorded; a job that is gone already is not an error.
    Cancel = "cancel": CancelJobParams => JobResult, Ignore, [JobNotFound RefusedInState];
    /// Deletes a job, after cancelling it if need be. Refused while its cluster does not answer and
    /// the job may live.
    DeleteJob = "deleteJob": DeleteJobParams => DeleteJobResult, Ignore,
        [JobNotFound RefusedInState ClusterUnavailable AuthRequired HostKeyChanged
         RemoteCommandFailed Timeout];
    /// Lists a job's files on its cluster: its inputs as they were uploaded, and what its attempts
    /// wrote.
    ListFiles = "listFiles": JobParams => ListFilesResult, Drop,
        [JobNotFound ClusterNotFound ClusterUnavailable AuthRequired HostKeyChanged
         RemoteCommandFailed Timeout];
    /// Fetches files of a job's newest attempt (and its inputs, if a pattern names them), compared
    /// by SHA-256 and continued where an interrupted download stopped. What is here as it is there is not fetched again.
    Download = "download": DownloadParams => DownloadResult, Ask("Downloading"),
        [JobNotFound ClusterNotFound ClusterUnavailable AuthRequired HostKeyChanged
         RemoteCommandFailed TransferFailed Quota Timeout];
    /// Gives what happened since a change's number: what a client missed.
    ChangesSince = "changesSince": ChangesSinceParams => ChangesSinceResult, Drop, [];
    /// Gives all clusters.
    ListClusters = "listClusters": NoParams => ListClustersResult, Drop, [];
    /// Gives one cluster.
    ClusterStatusOf = "clusterStatus": ClusterParams => ClusterStatus, Drop, [ClusterNotFound];
    /// Connects to a cluster now, instead of when it is needed. Asks the person what the login needs
    /// to know, if the client can.
    Connect = "connect": ConnectParams => ClusterStatus, Ask("Connecting"),
        [ClusterNotFound ClusterUnavailable AuthRequired HostKeyChanged Timeout];
    /// Ends the connection to a cluster. The next need opens a new one.
    Disconnect = "disconnect": ClusterParams => ClusterStatus, Ignore, [ClusterNotFound];
    /// Compares the list with a cluster: rows, the batch system's records, the remote directories. Where
    /// they differ the batch system wins, and the history says so. What has no row is told and left
    /// alone. Two remote commands.
    Reconcile = "reconcile": ReconcileParams => ReconcileResult, Drop,
        [ClusterNotFound ClusterUnavailable AuthRequired HostKeyChanged RemoteCommandFailed Timeout];
    /// Finds this program's jobs in a cluster's directories — made by another laptop, or with a
    /// database that is lost — and takes them into the list with attempts and history. A cluster
    /// without jobs is searched by itself when it is first connected. Deleted jobs stay deleted.
    DiscoverJobs = "discoverJobs": ClusterParams => DiscoverJobsResult, Drop,
        [ClusterNotFound ClusterUnavailable AuthRequired HostKeyChanged RemoteCommandFailed Timeout];
    /// Takes a job that was submitted by hand into the list: its script, its directory, the NAMD
    /// config that the script runs. Only one's own.
    AdoptJob = "adoptJob": AdoptJobParams => JobResult, Drop,
        [ClusterNotFound JobNotFound RefusedInState ClusterUnavailable AuthRequired HostKeyChanged
         RemoteCommandFailed Timeout];
    /// Looks at everything a cluster needs to have — link, commands, roots, launch program — and
    /// says what to do about what is missing. A check that fails is told in the result; it is no
    /// error of the call.
    Doctor = "doctor": DoctorParams => DoctorResult, Drop, [ClusterNotFound];
}

questions! {
    /// A login needs what only the person knows. `null`, or any error, means that nobody answers;
    /// the login then ends with `authRequired`.
    AuthPrompt = "authPrompt": AuthPromptParams => Option<AuthPromptResult>;
    /// A host is not known, or shows another key than is recorded. A new key that is accepted is
    /// recorded in the first file of known hosts; a changed one is refused whatever is answered.
    HostKeyPrompt = "hostKeyPrompt": HostKeyPromptParams => HostKeyPromptResult;
}

notifications! {
    /// What the server tells, in the order of the reference.
    NOTIFICATIONS:
    /// A change of a job was committed.
    OnJobStatusChanged = "jobStatusChanged": JobStatusChanged;
    /// A job's log has moved. Has no number of its own and is not repeated: the job holds the same.
    OnJobProgress = "jobProgress": JobProgressed;
    /// A job was deleted.
    OnJobDeleted = "jobDeleted": JobDeleted;
    /// A cluster's health changed.
    OnClusterStatusChanged = "clusterStatusChanged": ClusterStatusChanged;
    /// A look at a cluster ended.
    OnSyncCompleted = "syncCompleted": SyncCompleted;
    /// How far a request is that carried a `workDoneToken`.
    OnProgress = "$/progress": ProgressParams;
    /// Something for the client's log.
    OnLogMessage = "window/logMessage": LogMessage;
}

notifications! {
    /// What the server listens to. All others are ignored.
    CLIENT_NOTIFICATIONS:
    /// The client is ready for notifications.
    Initialized = "initialized": NoParams;
    /// Withdraws a request. It is answered all the same: with −32800, or with its result when the
    /// effect was already done.
    CancelRequest = "$/cancelRequest": CancelParams;
    /// Ends the server. Its exit code is 0 after `shutdown`, else 1.
    ExitNow = "exit": NoParams;
}

/// The row of a method.
pub fn method(name: &str) -> Option<&'static MethodRow> {
    METHODS.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once() {
        let mut names: Vec<&str> = METHODS.iter().map(|row| row.name).collect();
        names.extend(QUESTIONS.iter().map(|row| row.name));
        names.extend(NOTIFICATIONS.iter().map(|row| row.name));
        names.extend(CLIENT_NOTIFICATIONS.iter().map(|row| row.name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn methods_with_progress_take_a_token_and_others_do_not() {
        for row in METHODS {
            let mut generator = emit::generator();
            (row.params)(&mut generator);
            let definitions = serde_json::to_string(&generator.definitions()).unwrap();
            assert_eq!(
                definitions.contains("workDoneToken"),
                row.progress.is_some(),
                "{}",
                row.name
            );
        }
    }
}
