//! Methods that do what a test wants, under names that the protocol knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Methods, RpcModule};
use namdrunner::engine::{Caller, Progress};
use namdrunner::error::{Error, ErrorKind};
use namdrunner::rpc::{Opening, failure};
use namdrunner::server::Options;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::client::Client;

/// What a test can see and steer.
#[derive(Default)]
pub(crate) struct Stage {
    /// How many calls have begun.
    pub(crate) begun: AtomicUsize,
    /// How many have been dropped before they were done.
    pub(crate) dropped: AtomicUsize,
    gate: Gate,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Stage {
    /// Lets one waiting call go on.
    pub(crate) fn open(&self) {
        self.gate.0.add_permits(1);
    }

    async fn pass(&self) {
        self.gate.0.acquire().await.expect("never closed").forget();
    }

    /// Waits until so many calls have begun.
    pub(crate) async fn until_begun(&self, calls: usize) {
        while self.begun.load(Ordering::SeqCst) < calls {
            tokio::task::yield_now().await;
        }
    }
}

struct Dropped(Arc<Stage>, bool);

impl Drop for Dropped {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A client of these methods, in memory.
pub(crate) fn client(options: Options) -> (Client, Arc<Stage>) {
    let stage = Arc::new(Stage::default());
    let methods = methods(&stage);
    (
        Client::in_memory_with(methods, Opening::never(), options),
        stage,
    )
}

pub(crate) fn methods(stage: &Arc<Stage>) -> Methods {
    let mut module = RpcModule::from_arc(Arc::clone(stage));
    // Only reads: `$/cancelRequest` drops it.
    module
        .register_async_method("jobStatus", |_, stage, _| async move {
            let mut dropped = Dropped(Arc::clone(&stage), false);
            stage.begun.fetch_add(1, Ordering::SeqCst);
            stage.pass().await;
            dropped.1 = true;
            json!("passed")
        })
        .expect("a new name");
    // Moves files: it is told, and decides itself.
    module
        .register_async_method("createJob", |params, stage, extensions| async move {
            let caller = extensions.get::<Caller>().cloned().unwrap_or_default();
            let params: Value = params.parse()?;
            let report = |done, total| {
                if let Some(progress) = &caller.progress {
                    let message = format!("{done} of {total}");
                    progress(Progress {
                        message,
                        done,
                        total,
                        transfer: None,
                    });
                }
            };
            for done in 0..params["reports"].as_u64().unwrap_or(0) {
                report(done, 1000);
            }
            stage.begun.fetch_add(1, Ordering::SeqCst);
            tokio::select! {
                () = stage.pass() => Ok(json!("created")),
                () = caller.cancel.cancelled() => {
                    if params["done"] == json!(true) {
                        return Ok(json!("created all the same"));
                    }
                    let undone = Error::new(ErrorKind::Cancelled, "Undone.");
                    Err::<Value, ErrorObjectOwned>(failure::object(&undone))
                }
            }
        })
        .expect("a new name");
    // Short and writing: it is left alone.
    module
        .register_async_method("cancel", |_, stage, _| async move {
            stage.begun.fetch_add(1, Ordering::SeqCst);
            stage.pass().await;
            json!("written")
        })
        .expect("a new name");
    module
        .register_method("panics", |_, _, _| -> Value { panic!("on purpose") })
        .expect("a new name");
    module
        .register_async_method("panicsLater", |_, _, _| async {
            tokio::task::yield_now().await;
            panic!("on purpose");
            #[allow(unreachable_code)]
            Value::Null
        })
        .expect("a new name");
    module
        .register_method("echo", |params, _, _| params.parse::<Value>())
        .expect("a new name");
    module
        .register_async_method("long", |params, _, _| async move {
            let params: Value = params.parse()?;
            let bytes = params["bytes"].as_u64().unwrap_or(0);
            let bytes = usize::try_from(bytes).unwrap_or(0);
            Ok::<_, ErrorObjectOwned>("x".repeat(bytes))
        })
        .expect("a new name");
    module.into()
}
