//! The session itself: the part that is as in the Language Server Protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `initialize` takes. All other LSP fields are accepted and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// Who the client is, as LSP clients say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_info: Option<ClientInfo>,
    /// What is special to this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initialization_options: Option<InitializationOptions>,
}

/// What `initialize` takes that is special to this server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitializationOptions {
    /// Who the client is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
    /// A person is there to answer prompts. Absent: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_prompt: Option<bool>,
}

/// A client's name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What `initialize` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// What this server does of LSP.
    pub capabilities: ServerCapabilities,
    /// Who the server is.
    pub server_info: ServerInfo,
    /// What is special to this server.
    pub namdrunner: ServerFacts,
}

/// What this server does of LSP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerCapabilities {
    /// How characters of positions are counted: `utf-16`.
    pub position_encoding: String,
    /// Documents are told of when they are opened, changed, saved and closed.
    pub text_document_sync: TextDocumentSyncOptions,
    /// Lenses above a config: its job's state and what can be done. Their commands are those of
    /// `executeCommandProvider`.
    pub code_lens_provider: NoOptions,
    /// The job's state at the line that runs something.
    pub inlay_hint_provider: bool,
    /// Links to the files a config names.
    pub document_link_provider: NoOptions,
    /// Quick fixes for what was found.
    pub code_action_provider: bool,
    /// The commands that the server carries out by itself.
    pub execute_command_provider: ExecuteCommandOptions,
}

/// How documents are told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TextDocumentSyncOptions {
    /// When they are opened and closed.
    pub open_close: bool,
    /// How changes are told: 2, as edits.
    pub change: u32,
    /// When they are saved, without the text.
    pub save: NoOptions,
}

/// Nothing special about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoOptions {}

/// What `workspace/executeCommand` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteCommandOptions {
    /// `namdrunner.create`, `namdrunner.createAndSubmit` and `namdrunner.preview` take the address of
    /// a config; `namdrunner.submit`, `namdrunner.cancel`, `namdrunner.status` and `namdrunner.diff`
    /// the id of a job; `namdrunner.sync` takes nothing.
    pub commands: Vec<String>,
}

/// The server's name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// `namdrunner`.
    pub name: String,
    /// The program's version.
    pub version: String,
}

/// What a client may want to know of this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// The protocol's version. It grows only when something a client could rely on goes away.
    pub protocol: u32,
    /// Where the server keeps its data.
    pub home: String,
    /// The settings file, whether it exists or not.
    pub config_file: String,
    /// The directory of the server's log files.
    pub log_dir: String,
}

/// What `$/cancelRequest` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelParams {
    /// The id of the request that is withdrawn.
    pub id: RequestId,
}

/// The id of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RequestId {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// Where `$/progress` is reported to: chosen by the caller, one for each request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ProgressToken {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}
