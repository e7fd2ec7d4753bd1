use super::*;
use crate::namd::{Closure, Found};

fn fixes(text: &str, entries: &[&str]) -> Vec<(String, String)> {
    let mut closure = Closure::new("/x/a.namd");
    loop {
        let needs = closure.needs();
        if needs.is_empty() {
            break;
        }
        for need in needs {
            let found = if need.path == "/x/a.namd" {
                Found::File {
                    bytes: text.len() as u64,
                    content: Some(text.as_bytes().to_vec()),
                }
            } else {
                Found::Missing
            };
            closure.feed(&need.path, found);
        }
    }
    let everywhere = Range {
        end: gen_lsp_types::Position {
            line: u32::MAX,
            character: 0,
        },
        ..Range::default()
    };
    let listed = |_: &str| entries.iter().map(|entry| (*entry).to_owned()).collect();
    at(
        "file:///x/a.namd",
        text.as_bytes(),
        &closure.finish(),
        everywhere,
        listed,
    )
    .into_iter()
    .map(|action| {
        let changes = action.edit.unwrap().changes.unwrap();
        let edit = &changes.values().next().unwrap()[0];
        (action.title, edit.new_text.clone())
    })
    .collect()
}

#[test]
fn a_slip_in_a_keyword_is_mended() {
    let fixes = fixes("lengevinTemp 300\nrun 20\n", &[]);
    assert_eq!(
        fixes,
        [(
            "Change to `langevinTemp`".to_owned(),
            "langevinTemp".to_owned()
        )]
    );
}

#[test]
fn a_file_that_is_there_in_other_letters_is_offered_if_it_is_the_only_one() {
    let text = "structure ../common/Water.psf\nrun 20\n";
    let offered = fixes(text, &["water.psf", "water.pdb"]);
    assert_eq!(
        offered,
        [(
            "Change to `water.psf`, which is there".to_owned(),
            "../common/water.psf".to_owned()
        )]
    );
    assert_eq!(fixes(text, &["water.psf", "WATER.psf"]), []);
    assert_eq!(fixes(text, &["other.psf"]), []);
}

#[test]
fn steps_are_rounded_up_to_whole_cycles() {
    let fixes = fixes("stepsPerCycle 20\nrun 1005\n", &[]);
    assert_eq!(
        fixes,
        [(
            "Run 1020 steps, a multiple of stepspercycle 20".to_owned(),
            "1020".to_owned()
        )]
    );
}
