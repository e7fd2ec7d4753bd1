//! Slurm: its commands and its texts, both ways.
//!
//! Written against Slurm 22.05's manual pages and source, and against pasted output of a real
//! cluster (`tests/data/slurm`). Only fields that are old and stable are asked for: `--json` changed
//! its shape in 23.11, and newer fields make an older sacct refuse the whole question.

mod cancel;
mod find;
mod handmade;
mod list;
mod members;
mod notices;
mod options;
mod query;
pub mod reasons;
mod rows;
mod script;
mod states;
mod submit;
mod text;

#[cfg(test)]
mod array_tests;
#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod query_tests;
#[cfg(test)]
mod tests;

pub use self::options::reserved_option;
use super::survey::{self, Survey, SurveyAsk};
use super::{
    CancelTarget, FoundAttempt, HandMade, Launch, LostAttempt, NotFound, Query, Scheduler,
    SchedulerId, Submitted, Watch,
};
use crate::shell::{Command, Output, RemotePath};

/// The Slurm batch system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Slurm;

impl Scheduler for Slurm {
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
        find::find(lost)
    }

    fn parse_find(&self, lost: &[LostAttempt], output: &Output) -> Vec<FoundAttempt> {
        find::parse(lost, output)
    }

    fn output_name(&self, work_dir: &RemotePath, id: &SchedulerId) -> String {
        options::output_name(work_dir, id)
    }

    fn cancel(&self, targets: &[CancelTarget]) -> Command {
        cancel::cancel(targets)
    }

    fn parse_cancel(&self, output: &Output) -> Result<(), String> {
        cancel::parse(output)
    }

    fn survey(&self, ask: &SurveyAsk) -> Command {
        survey::command(ask, &asking(&ask.slurm_setup), &list::script(ask))
    }

    fn parse_survey(&self, ask: &SurveyAsk, output: &Output) -> Survey {
        survey::parse(ask, output, list::read)
    }

    fn hand_made(&self, id: &SchedulerId, setup: &[String]) -> Option<Command> {
        Some(handmade::command(id, setup))
    }

    fn parse_hand_made(&self, id: &SchedulerId, output: &Output) -> Result<HandMade, NotFound> {
        handmade::parse(id, output)
    }
}

/// What Slurm's commands read from the environment and would answer differently for. A
/// `SQUEUE_PARTITION` in somebody's start-up file would make jobs look gone.
const QUERY_ENVIRONMENT: &str = "SQUEUE_ACCOUNT SQUEUE_ALL SQUEUE_ARRAY SQUEUE_FEDERATION SQUEUE_FORMAT SQUEUE_FORMAT2 SQUEUE_LICENSES SQUEUE_LOCAL SQUEUE_NAMES SQUEUE_PARTITION SQUEUE_PRIORITY SQUEUE_QOS SQUEUE_SIBLING SQUEUE_SORT SQUEUE_STATES SQUEUE_USERS SACCT_FEDERATION SACCT_FORMAT SACCT_LOCAL SLURM_DEBUG";

/// The beginning of a script that asks: the configured lines, then an environment in which Slurm
/// answers as expected. (squeue and sacct print local time without an offset; `-S` is local too.)
fn asking(slurm_setup: &[String]) -> String {
    let mut text = setup(slurm_setup);
    text.push_str("unset ");
    text.push_str(QUERY_ENVIRONMENT);
    text.push_str(
        // 0: the members of an array that wait are listed in full (squeue(1), ENVIRONMENT VARIABLES).
        "\nTZ=UTC LC_ALL=C SLURM_TIME_FORMAT=standard SLURM_BITSTR_LEN=0\nexport TZ LC_ALL SLURM_TIME_FORMAT SLURM_BITSTR_LEN\n",
    );
    text
}

/// The configured lines, kept from reading the script's input and from printing into its answer.
fn setup(slurm_setup: &[String]) -> String {
    if slurm_setup.is_empty() {
        return String::new();
    }
    format!(
        "eval {} >/dev/null </dev/null\nset +eu\n",
        crate::shell::quote(&slurm_setup.join("\n"))
    )
}
