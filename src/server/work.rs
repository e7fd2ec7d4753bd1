//! One request being worked on: from its text to its one answer, whatever happens on the way.

use std::sync::Arc;

use jsonrpsee::types::ErrorObjectOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::engine::Caller;
use crate::error::{Error, ErrorKind};
use crate::protocol::{MethodRow, ProgressToken, Withdrawal, method};
use crate::rpc::failure;

use super::message::{self, Request};
use super::progress::Reporter;
use super::session::{Reply, Session};

/// A request that is being worked on.
pub(super) struct Work {
    session: Arc<Session>,
    request: Request,
    row: Option<&'static MethodRow>,
    number: u64,
    withdrawn: CancellationToken,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.session.leave(self.number);
    }
}

impl Work {
    /// Enters a request, so that it can be withdrawn from now on.
    pub(super) fn new(session: &Arc<Session>, request: Request) -> Self {
        let (number, withdrawn) = session.enter(&request.id);
        Self {
            session: Arc::clone(session),
            row: method(&request.method),
            request,
            number,
            withdrawn,
        }
    }

    /// Works on it.
    pub(super) async fn run(self) -> Reply {
        let reporter = self.begin_progress().await;
        let report = reporter.clone();
        let caller = Caller {
            progress: report.map(|report| Arc::new(move |p| report.report(&p)) as _),
            cancel: self.withdrawn.clone(),
            prompter: self.session.prompter(),
        };
        let answer = self.call(caller).await;
        if let Some(reporter) = reporter {
            reporter.end().await;
        }
        let id = &self.request.id;
        let text = match &answer {
            Ok(Response {
                result: Some(result),
                ..
            }) => message::success(id, result),
            Ok(Response {
                error: Some(error), ..
            }) => message::failure(id, error),
            Ok(_) => message::success(id, &()),
            Err(error) => message::failure(id, error),
        };
        text.into()
    }

    async fn begin_progress(&self) -> Option<Arc<Reporter>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Token {
            work_done_token: ProgressToken,
        }
        let row = self.row?;
        let title = row.progress?;
        // A wrong one is refused when the parameters are read.
        let token: Token = serde_json::from_str(self.request.params.text()).ok()?;
        let cancellable = row.withdrawal != Withdrawal::Ignore;
        let outbox = self.session.outbox.clone();
        Some(Reporter::begin(outbox, token.work_done_token, title, cancellable).await)
    }

    async fn call(&self, caller: Caller) -> Result<Response, ErrorObjectOwned> {
        let mut methods = self.session.methods.clone();
        methods.extensions_mut().insert(caller);
        // jsonrpsee takes fewer kinds of ids than JSON-RPC has: it is given one of its own.
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"{}","params":{}}}"#,
            self.request.method,
            self.request.params.text()
        );
        // In a task of its own: a panic is no more than this request's, and what has begun to change
        // something goes on without a client that came over a link.
        let mut call = self
            .session
            .calls
            .spawn(async move { methods.raw_json_request(&text, 1).await });
        let stop = call.abort_handle();
        let drops = self
            .row
            .is_none_or(|row| row.withdrawal == Withdrawal::Drop);
        let dropped = async {
            if drops {
                self.withdrawn.cancelled().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        // In this order: a request that is done is answered with what it did.
        let answered = tokio::select! {
            biased;
            answered = &mut call => answered,
            () = dropped => {
                stop.abort();
                return Err(cancelled("The request was withdrawn."));
            }
            () = self.session.abandon.cancelled() => {
                if drops || self.session.link.is_none() {
                    stop.abort();
                }
                return Err(cancelled("The server is ending."));
            }
        };
        let defect = |what: &str| {
            tracing::error!(method = self.request.method, "{what}");
            failure::object(&Error::internal(format!(
                "{} failed by a defect in NAMDRunner.",
                self.request.method
            )))
        };
        match answered {
            Ok(Ok((answer, _))) => serde_json::from_str(answer.get())
                .map_err(|error| defect(&format!("an answer cannot be read: {error}"))),
            Ok(Err(error)) => Err(defect(&format!("a request cannot be read: {error}"))),
            Err(_) => Err(defect("a method panicked")),
        }
    }
}

fn cancelled(why: &str) -> ErrorObjectOwned {
    failure::object(&Error::new(ErrorKind::Cancelled, why))
}

/// What jsonrpsee answers.
#[derive(Deserialize)]
struct Response {
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    error: Option<Box<RawValue>>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}
