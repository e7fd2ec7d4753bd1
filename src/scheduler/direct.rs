//! No batch system: a detached process per job, which waits for its turn by itself.
//!
//! The id is the process id of the job's script, which leads a process group of its own. The queue
//! needs nobody alive: each script waits for one of `max_running` slots below the scratch root. Of
//! what a job asks only the counts are used, in the launch command; nothing enforces memory or time.
//!
//! | what lies in the control directory | what it means |
//! |---|---|
//! | `exit` | over, with this exit code |
//! | `started`, and its process lives | it runs |
//! | `waiting`, and its process lives | it waits for a slot |
//! | one of them, and no such process | first look: nothing is said, `missed` is left; second look: it vanished |
//!
//! A process is known by its number, the time of its start and the boot it belongs to, so that a
//! number that was given to another process after a restart of the machine is never taken for ours,
//! nor ended.

mod cancel;
mod process;
mod query;
mod script;
mod submit;

#[cfg(test)]
mod tests;

use super::control::CONTROL;
use super::{
    CancelTarget, FoundAttempt, Launch, LostAttempt, Query, Scheduler, SchedulerId, Submitted,
    Watch, trace,
};
use crate::shell::{Command, Output, RemotePath};

/// This machine's own processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Direct;

impl Scheduler for Direct {
    fn script(&self, launch: &Launch) -> String {
        script::script(launch)
    }

    fn submit(&self, launch: &Launch) -> Command {
        submit::submit(launch)
    }

    fn parse_submit(&self, output: &Output) -> Submitted {
        submit::parse(output)
    }

    fn query(&self, watch: &Watch) -> Command {
        query::query(watch)
    }

    fn parse_query(&self, watch: &Watch, output: &Output) -> Query {
        query::parse(watch, output)
    }

    fn find(&self, lost: &[LostAttempt]) -> Command {
        Command::read("find", format!("{{\n{}}}\n", trace::script())).with_input(trace::list(lost))
    }

    fn parse_find(&self, lost: &[LostAttempt], output: &Output) -> Vec<FoundAttempt> {
        trace::parse(lost, output)
    }

    fn output_name(&self, _work_dir: &RemotePath, _id: &SchedulerId) -> String {
        format!("{CONTROL}/job.out")
    }

    fn cancel(&self, targets: &[CancelTarget]) -> Command {
        cancel::cancel(targets)
    }

    fn parse_cancel(&self, output: &Output) -> Result<(), String> {
        cancel::parse(output)
    }
}
