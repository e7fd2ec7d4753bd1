//! What may be asked of a batch system: one check for config.toml and for the wire. Pure.
//!
//! Values end up in `#SBATCH` lines, which sbatch splits at blanks and in which quotes, `\` and `#`
//! have a meaning. Slurm needs none of them in these values, so they are refused rather than
//! escaped.

mod extra;

use crate::scheduler::Resources;

pub(super) use self::extra::check_extra;
use super::time::check_walltime;

/// A check of one value.
type Check = fn(&str) -> Result<(), String>;

/// Longest value taken; real ones are names and short lists.
const LONGEST: usize = 1024;

/// Checks what a job asks for. The error names the field as on the wire (`cpusPerTask`,
/// `extra[2]`) and says why in a clause without a full stop.
pub fn validate_resources(resources: &Resources) -> Result<(), (String, String)> {
    let in_field = |field: &str| {
        let field = field.to_owned();
        move |why: String| (field, why)
    };
    for (field, count) in [
        ("nodes", resources.nodes),
        ("ntasks", resources.ntasks),
        ("cpusPerTask", resources.cpus_per_task),
    ] {
        if let Some(count) = count {
            check_count(i64::from(count)).map_err(in_field(field))?;
        }
    }
    if let Some(seconds) = resources.walltime {
        check_walltime(seconds).map_err(in_field("walltime"))?;
    }
    let texts: [(&str, &Option<String>, Check); 6] = [
        ("memory", &resources.memory, check_memory),
        ("partition", &resources.partition, check_name),
        ("qos", &resources.qos, check_name),
        ("account", &resources.account, check_name),
        ("gres", &resources.gres, check_list),
        ("constraint", &resources.constraint, check_list),
    ];
    for (field, value, check) in texts {
        if let Some(value) = value {
            check(value).map_err(in_field(field))?;
        }
    }
    for (place, option) in resources.extra.iter().enumerate() {
        check_extra(option).map_err(in_field(&format!("extra[{place}]")))?;
    }
    Ok(())
}

/// Most nodes, tasks or cores asked for: no machine has more, and products fit 64 bits.
pub(super) const MAX_COUNT: i64 = 10_000_000;

/// Checks a number of nodes, tasks or cores.
pub(super) fn check_count(count: i64) -> Result<(), String> {
    if (1..=MAX_COUNT).contains(&count) {
        Ok(())
    } else {
        Err(format!(
            "{count} is not between 1 and {MAX_COUNT}; leave it out for the batch system's default"
        ))
    }
}

/// Checks memory per node: digits and a unit `K`, `M`, `G` or `T`, megabytes without one, `0` for
/// all of a node (sbatch(1), `--mem`).
pub(super) fn check_memory(value: &str) -> Result<(), String> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = value.get(digits.len()..).unwrap_or_default();
    let is_number = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number && (unit.is_empty() || "KMGTkmgt".contains(unit) && unit.len() == 1) {
        return Ok(());
    }
    let first = unit.chars().next().unwrap_or(' ').to_ascii_uppercase();
    let digits = digits.trim_end();
    let meant = digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.is_empty()
        && matches!(
            unit.to_ascii_uppercase().as_str(),
            "KB" | "MB" | "GB" | "TB"
        )
        || matches!(
            unit.to_ascii_uppercase().as_str(),
            "KIB" | "MIB" | "GIB" | "TIB"
        );
    let advice = if meant {
        format!("write \"{digits}{first}\"")
    } else {
        "write a whole number with a unit, such as \"4G\" or \"512M\"".to_owned()
    };
    Err(format!(
        "{value:?} is not memory as Slurm writes it: {advice}"
    ))
}

/// Checks a partition, QOS or account: names, or a list of them with commas.
pub(super) fn check_name(value: &str) -> Result<(), String> {
    check_text(value)?;
    match value
        .chars()
        .find(|c| !c.is_alphanumeric() && !"_-.,:+@%/=~".contains(*c))
    {
        Some(c) => Err(format!("{c:?} cannot be part of a name")),
        None => Ok(()),
    }
}

/// Checks generic resources (`gpu:a100:2,shard:1`) or a constraint (`[rack1|rack2]&ib`).
pub(super) fn check_list(value: &str) -> Result<(), String> {
    check_text(value)
}

/// What holds for every value: one word that sbatch reads as it stands.
fn check_text(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("it is empty; leave it out for the batch system's default".to_owned());
    }
    if value.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    if value.starts_with('-') {
        return Err(format!(
            "{value:?} begins with `-` and would be read as an option"
        ));
    }
    check_word(value)
}

/// Whether sbatch reads a text as one word without surprises.
fn check_word(value: &str) -> Result<(), String> {
    for c in value.chars() {
        match c {
            '\n' | '\r' => {
                return Err(
                    "it holds a line break, which would begin a new line of the job script"
                        .to_owned(),
                );
            }
            c if c.is_control() => return Err(format!("it holds the control character {c:?}")),
            c if c.is_whitespace() => {
                return Err(format!(
                    "{value:?} holds a blank, at which sbatch would split it"
                ));
            }
            '\'' | '"' | '\\' | '#' | '`' => {
                return Err(format!(
                    "{value:?} holds {c}, which sbatch would not take as it stands"
                ));
            }
            '$' => {
                return Err(format!(
                    "{value:?} holds $, but variables are not replaced in sbatch options"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_sites_need_is_taken() {
        let resources = Resources {
            nodes: Some(4),
            ntasks: Some(512),
            cpus_per_task: Some(1),
            memory: Some("0".into()),
            walltime: Some(3600),
            partition: Some("gpu,gpu-long".into()),
            qos: Some("normal".into()),
            account: Some("ab12cd@v100".into()),
            gres: Some("gpu:a100:2,shard:1".into()),
            constraint: Some("[rack1|rack2]&ib*2".into()),
            extra: [
                "--mail-type=END,FAIL",
                "--mail-user=you@example.edu",
                "--exclusive",
                "--mem-per-cpu=2G",
                "--ntasks-per-node=64",
                "--time-min=01:00:00",
                "--wait-all-nodes=1",
                "--export=NONE",
                "--cluster-constraint=x",
                "-wnode[1-3]",
                "-H",
            ]
            .map(String::from)
            .to_vec(),
        };
        assert_eq!(validate_resources(&resources), Ok(()));
    }

    #[test]
    fn what_would_break_the_script_is_refused() {
        for value in [
            "",
            "-p",
            "a b",
            "a\n#SBATCH --wrap=x",
            "a\0b",
            "a'b",
            "a\\",
            "a#b",
            "$X",
            "`id`",
        ] {
            for check in [check_name, check_list] {
                assert!(check(value).is_err(), "{value:?}");
            }
        }
        assert!(check_name("a;b").is_err());
    }

    #[test]
    fn memory_is_as_slurm_writes_it() {
        for fine in ["4G", "512m", "0", "4096", "1T", "100000K"] {
            assert_eq!(check_memory(fine), Ok(()), "{fine}");
        }
        for (bad, advice) in [
            ("4GB", "write \"4G\""),
            ("4 GiB", "write \"4G\""),
            ("1.5G", "whole number"),
            ("G", "whole number"),
            ("", "whole number"),
            ("-1G", "whole number"),
            ("4P", "whole number"),
            ("4G\n", "whole number"),
        ] {
            let error = check_memory(bad).unwrap_err();
            assert!(error.contains(advice), "{bad:?}: {error}");
        }
    }

    #[test]
    fn the_wires_field_is_named() {
        let bad = Resources {
            cpus_per_task: Some(0),
            ..Resources::default()
        };
        assert_eq!(validate_resources(&bad).unwrap_err().0, "cpusPerTask");
        let bad = Resources {
            extra: vec!["--exclusive".into(), "--wrap=x".into()],
            ..Resources::default()
        };
        assert_eq!(validate_resources(&bad).unwrap_err().0, "extra[1]");
    }

    proptest! {
        #[test]
        fn what_passes_is_one_plain_word(option in "\\PC{0,12}|--?[a-z]{1,8}[= \n#\"'a-z]{0,6}") {
            if check_extra(&option).is_ok() {
                prop_assert!(option.starts_with('-'));
                prop_assert!(!option.contains(char::is_whitespace));
            }
            let _ = check_memory(&option);
        }
    }
}
