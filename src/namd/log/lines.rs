//! One line of a log, and what it changes.
//!
//! Lines are told by their beginnings: a person's own `print` and `puts` may hold anything, and
//! `Info: … ERROR TOLERANCE` is no error.

use super::energies::{is_not_a_number, row, titles, values};
use super::faults::{FATALS, FatalError, Line, looks_like_trouble};
use super::report::{LogEnd, LogReport, Stretch};
use crate::namd::SegmentKind;

/// Beginnings of lines that are NAMD's or Charm++'s own and say nothing here.
const NOISE: &[&str] = &[
    "PRESSURE:",
    "GPRESSURE:",
    "PRESSAVG:",
    "GPRESSAVG:",
    "PRESSUREPROFILE:",
    "LDB:",
    "TI:",
    "TITITLE:",
    "FEP:",
    "FEPTITLE:",
    "QMENERGY:",
    "QMETITLE:",
    "LINE MINIMIZER",
    "MINIMIZER",
    "The last ",
    "OPENING",
    "CLOSING",
    "Charm++",
    "Charm warning>",
    "CharmLB>",
    "Converse/Charm++",
    "CkLoop",
    "Pe ",
    "REINITIALIZING",
    "RESCALING",
    "CHECKPOINTING",
    "REVERTING",
    "====",
];

impl LogReport {
    /// Takes the next line, without its end.
    pub(super) fn take(&mut self, line: &str) {
        self.lines = self.lines.saturating_add(1);
        let number = self.lines;
        let open = self.open_fatal.take();
        if self.known(number, line) || line.trim().is_empty() {
            return;
        }
        if let Some(open) = open {
            let room = self
                .fatal
                .get_mut(open)
                .is_some_and(|fatal| fatal.continued(line));
            self.open_fatal = room.then_some(open);
        } else if looks_like_trouble(line) {
            self.foreign.push(number, line);
        }
    }

    /// Reads a line of NAMD's. Says whether it is one.
    fn known(&mut self, number: u64, line: &str) -> bool {
        let (word, rest) = line.split_once(':').unwrap_or((line, ""));
        match word {
            "Info" => self.info(rest.strip_prefix(' ').unwrap_or(rest)),
            "ENERGY" => self.energy(number, rest, line),
            "ETITLE" => self.titles = titles(rest),
            "TIMING" => {
                if let Some((step, _)) = row(rest) {
                    self.reach(step);
                    self.pace.timing(step, rest, self.timestep_fs);
                }
            }
            "PERFORMANCE" => self.pace.performance(rest),
            "TCL" => self.tcl(rest.trim_start()),
            "Warning" => self.warnings.push(number, rest.trim_start()),
            "ERROR" => self.error(number, rest),
            "FATAL ERROR" => self.fatal(number, rest),
            "EXITING" => self.quit = Some(Line::new(number, line)),
            "WallClock" => {
                self.end = Some(LogEnd {
                    wall_seconds: rest.split_whitespace().next().and_then(|w| w.parse().ok()),
                    line: number,
                });
            }
            "colvars" if is_colvars_error(rest) => self.colvars.push(number, rest.trim_start()),
            "colvars" => {}
            // Charm++ ended it; what NAMD says stands behind it.
            "Reason" if self.aborted => match rest.trim_start().strip_prefix("FATAL ERROR:") {
                Some(text) => self.fatal(number, text),
                None => self.fatal(number, rest),
            },
            _ => return self.unmarked(number, line),
        }
        true
    }

    /// Lines that have no word with a colon at their beginning.
    fn unmarked(&mut self, number: u64, line: &str) -> bool {
        if let Some(rest) = line.strip_prefix("WRITING ") {
            self.writing(rest);
        } else if line == "FINISHED WRITING RESTART COORDINATES" {
            self.restart.coordinates = self.restart.writing.is_some();
        } else if line == "FINISHED WRITING RESTART VELOCITIES" {
            if self.restart.coordinates {
                self.restart.step = self.restart.writing;
            }
            self.restart.writing = None;
            self.restart.coordinates = false;
        } else if line.ends_with("End of program") || line == "Program finished." {
            self.end_of_program = true;
        } else if let Some(rest) = replica_fatal(line) {
            self.fatal(number, rest);
        } else if line.contains("Called CmiAbort") {
            // Its reason comes on the next line.
            self.aborted = true;
        } else if line.starts_with("MINIMIZER STARTING") {
            if let Some(segment) = &mut self.segment {
                segment.kind = SegmentKind::Minimize;
            }
        } else if !NOISE.iter().any(|noise| line.starts_with(noise)) {
            return false;
        }
        true
    }

    fn info(&mut self, text: &str) {
        let number = |text: &str| text.split_whitespace().next()?.parse::<i64>().ok();
        if let Some(rest) = text.strip_prefix("NAMD ") {
            if let Some((version, platform)) = rest.split_once(" for ") {
                self.begin(version, platform);
            }
        } else if let Some(rest) = text.strip_prefix("TIMESTEP ") {
            self.timestep_fs = femtoseconds(rest);
        } else if let Some(rest) = text.strip_prefix("NUMBER OF STEPS ") {
            self.declared_steps = number(rest);
        } else if let Some(rest) = text.strip_prefix("FIRST TIMESTEP ") {
            if let Some(first) = number(rest) {
                self.first_step = first;
                self.fs_step = first;
            }
        } else if let Some(rest) = text
            .strip_prefix("ENERGY OUTPUT STEPS ")
            .or_else(|| text.strip_prefix("TIMING OUTPUT STEPS "))
        {
            let steps = number(rest).and_then(|n| u64::try_from(n).ok());
            let steps = steps.filter(|steps| *steps > 0);
            self.output_steps = self.output_steps.into_iter().chain(steps).min();
        } else if let Some(rest) = text.strip_prefix("RESTART FILENAME ") {
            self.restart.name = Some(short(rest));
        } else if let Some(rest) = text.strip_prefix("RESTART FREQUENCY ") {
            self.restart.frequency = number(rest).and_then(|n| u64::try_from(n).ok());
        } else if let Some(rest) = text.strip_prefix("Configuration file is ") {
            self.config = Some(short(rest));
        } else if let Some(rest) = text
            .strip_prefix("Working in the current directory ")
            .or_else(|| text.strip_prefix("Changed directory to "))
        {
            self.directory = Some(short(rest));
        } else if let Some(rest) = text
            .strip_prefix("Benchmark time: ")
            .or_else(|| text.strip_prefix("Initial time: "))
        {
            self.pace.benchmark(rest, self.timestep_fs);
        } else if text.starts_with("Running with GPU-resident mode") {
            self.gpu_resident = true;
        } else if let Some(atoms) = text.strip_suffix(" ATOMS") {
            // Of the structure's summary; the largest group's size has more words.
            self.atoms = self.atoms.or_else(|| atoms.parse().ok());
        }
    }

    /// NAMD has started. A second start in the same file is another run: what was before is past.
    fn begin(&mut self, version: &str, platform: &str) {
        if self.step.is_some() || self.end.is_some() || !self.fatal.is_empty() {
            *self = Self {
                lines: self.lines,
                skipped: self.skipped,
                ..Self::default()
            };
        }
        self.version = Some(short(version));
        self.platform = Some(short(platform));
    }

    fn tcl(&mut self, text: &str) {
        let begun = [
            ("Running for ", SegmentKind::Run),
            ("Minimizing for ", SegmentKind::Minimize),
        ];
        for (words, kind) in begun {
            let steps = text
                .strip_prefix(words)
                .and_then(|rest| rest.split_once(" steps"))
                .and_then(|(count, _)| count.parse().ok());
            if let Some(steps) = steps {
                self.next_segment(kind, steps);
                return;
            }
        }
        let Some((name, value)) = text
            .strip_prefix("Setting parameter ")
            .and_then(|rest| rest.split_once(" to "))
        else {
            return;
        };
        match name.to_ascii_lowercase().as_str() {
            "timestep" => {
                if let Some(length) = femtoseconds(value) {
                    self.close_segment();
                    self.timestep_fs = Some(length);
                }
            }
            "firsttimestep" => {
                if let Ok(step) = value.trim().parse() {
                    self.close_segment();
                    self.step = Some(step);
                    self.fs_step = step;
                }
            }
            _ => {}
        }
    }

    /// A segment begins where the one before it was to end.
    fn next_segment(&mut self, kind: SegmentKind, steps: u64) {
        self.close_segment();
        let first_step = self.step.unwrap_or(self.first_step);
        self.fs_step = first_step;
        self.segment = Some(Stretch {
            kind,
            steps,
            first_step,
            implicit: false,
        });
        self.segments = self.segments.saturating_add(1);
        self.pace.next_segment();
    }

    /// The segment before is over, so all its steps are done, shown or not.
    fn close_segment(&mut self) {
        let Some(segment) = &self.segment else {
            return;
        };
        // One that no `run` began was none after all, if another follows.
        let steps = if segment.implicit {
            self.steps_done().saturating_sub(self.steps_before)
        } else {
            self.step = Some(segment.last_step());
            segment.steps
        };
        self.settle();
        self.segment = None;
        self.steps_before = self.steps_before.saturating_add(steps);
    }

    /// Adds up what has been simulated until now.
    fn settle(&mut self) {
        self.fs_before = self.fs_done();
        self.fs_step = self.step.unwrap_or(self.fs_step);
    }

    fn energy(&mut self, number: u64, rest: &str, line: &str) {
        let Some((step, words)) = row(rest) else {
            return;
        };
        self.reach(step);
        if self.not_a_number.is_none() && words.iter().any(|word| is_not_a_number(word)) {
            self.not_a_number = Some(Line::new(number, line));
        }
        self.energies = values(&self.titles, &words).unwrap_or_default();
    }

    /// A line shows that a step was reached.
    fn reach(&mut self, step: i64) {
        match &mut self.segment {
            None => {
                // No `run` was called: `numsteps` makes the one run.
                let steps = self.declared_steps.map_or(0, |last| last - self.first_step);
                self.segment = Some(Stretch {
                    kind: SegmentKind::Numsteps,
                    steps: u64::try_from(steps).unwrap_or(0),
                    first_step: self.first_step,
                    implicit: true,
                });
                self.segments = self.segments.max(1);
            }
            // The count was set anew in a way that left no line: it goes on from here.
            Some(segment) if step < segment.first_step => {
                segment.first_step = step;
                self.fs_step = step;
            }
            Some(_) => {}
        }
        self.step = Some(step);
    }

    /// `EXTENDED SYSTEM TO RESTART FILE AT STEP n` and its like. The cell is written first.
    fn writing(&mut self, text: &str) {
        let Some((what, step)) = text.rsplit_once(" AT STEP ") else {
            return;
        };
        let Ok(step) = step.trim().parse::<i64>() else {
            return;
        };
        if what.ends_with("TO RESTART FILE") {
            if self.restart.writing != Some(step) {
                self.restart.writing = Some(step);
                self.restart.coordinates = false;
            }
        } else if what.ends_with("TO OUTPUT FILE") {
            self.output_step = Some(step);
        }
        // `output` may be called before anything has run.
        let runs = self.segment.is_some() || self.declared_steps > Some(self.first_step);
        if runs && step >= self.first_step && self.step.is_none_or(|known| step > known) {
            self.reach(step);
        }
    }

    fn error(&mut self, number: u64, text: &str) {
        let text = text.strip_prefix(' ').unwrap_or(text);
        if text.contains("margin violations detected") {
            let count = text
                .split_whitespace()
                .next()
                .and_then(|word| word.parse::<u64>().ok());
            self.margin_violations = self.margin_violations.saturating_add(count.unwrap_or(1));
        } else {
            self.errors.push(number, text);
            // Before NAMD has begun it is another program that says so.
            if self.version.is_none() && looks_like_trouble(text) {
                self.foreign.push(number, text);
            }
        }
    }

    /// NAMD prints it on both its outputs, and once for each of its parts: one of each is kept.
    fn fatal(&mut self, number: u64, text: &str) {
        let text = text.trim();
        self.fatal_count = self.fatal_count.saturating_add(1);
        self.open_fatal = None;
        if text.is_empty() || text.starts_with("See http") {
            return;
        }
        let fatal = FatalError::new(number, text);
        if let Some(at) = self.fatal.iter().position(|known| known.text == fatal.text) {
            // What follows is the same again; it is passed over.
            self.open_fatal = self
                .fatal
                .get(at)
                .is_some_and(|known| known.more.is_empty())
                .then_some(at);
        } else if self.fatal.len() < FATALS {
            self.fatal.push(fatal);
            self.open_fatal = Some(self.fatal.len() - 1);
        }
    }
}

/// `REPLICA n FATAL ERROR: …`.
fn replica_fatal(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("REPLICA ")?;
    let (_, text) = rest.split_once("FATAL ERROR:")?;
    Some(text)
}

/// `Error: cannot open …`, with any indentation. (`irrespective of this error` is none.)
fn is_colvars_error(rest: &str) -> bool {
    rest.trim_start().starts_with("Error")
}

fn femtoseconds(text: &str) -> Option<f64> {
    text.split_whitespace()
        .next()?
        .parse()
        .ok()
        .filter(|length: &f64| length.is_finite() && *length > 0.0)
}

fn short(text: &str) -> String {
    text.trim().chars().take(1024).collect()
}
