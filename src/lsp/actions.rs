//! Quick fixes, where there is one right answer. What a directory holds comes in. Pure.

use std::collections::HashMap;

use gen_lsp_types::{CodeAction, CodeActionKind, Diagnostic, Range, TextEdit, Uri, WorkspaceEdit};

use crate::namd::{Analysis, Code, Finding, keywords, paths};

use super::{diagnostics, place};

/// A fix: what it is called and what replaces the finding's text.
struct Fix {
    title: String,
    text: String,
}

/// The fixes for findings of a config that touch a range. `entries` gives the names in a directory,
/// relative to the config's or absolute.
pub(crate) fn at(
    uri: &str,
    bytes: &[u8],
    analysis: &Analysis,
    range: Range,
    entries: impl Fn(&str) -> Vec<String>,
) -> Vec<CodeAction> {
    analysis
        .findings
        .iter()
        .filter(|finding| finding.file.is_empty() || finding.file == analysis.config)
        .filter(|finding| place::meet(place::range(finding.range), range))
        .filter_map(|finding| {
            let text = bytes.get(finding.span.start..finding.span.end)?;
            let text = std::str::from_utf8(text).ok()?;
            let fix = fix(finding, text, analysis, &entries)?;
            Some(action(uri, diagnostics::of_finding(finding), fix))
        })
        .collect()
}

fn fix(
    finding: &Finding,
    text: &str,
    analysis: &Analysis,
    entries: &impl Fn(&str) -> Vec<String>,
) -> Option<Fix> {
    match finding.code {
        Code::UnknownKeyword => {
            let close = keywords::closest(text)?;
            Some(Fix {
                title: format!("Change to `{close}`"),
                text: close.to_owned(),
            })
        }
        Code::ByteOrderMark => Some(Fix {
            title: "Remove the byte order mark".to_owned(),
            text: text.trim_start_matches('\u{FEFF}').to_owned(),
        }),
        Code::StepsNotMultiple => {
            let steps: u64 = text.trim().parse().ok()?;
            let cycle = analysis.plan.steps_per_cycle.filter(|cycle| *cycle > 0)?;
            let whole = steps.checked_next_multiple_of(cycle)?;
            Some(Fix {
                title: format!("Run {whole} steps, a multiple of stepspercycle {cycle}"),
                text: whole.to_string(),
            })
        }
        Code::InputMissing => {
            let input = analysis.inputs.iter().find(|input| {
                input.is_literal && input.site.span == finding.span && input.path.is_some()
            })?;
            let path = input.path.as_deref()?;
            let (directory, name) = (paths::parent(path), paths::file_name(path));
            // Only one that differs in the case of its letters: another name is another file.
            let mut same: Vec<String> = entries(directory)
                .into_iter()
                .filter(|entry| entry.eq_ignore_ascii_case(name) && entry != name)
                .collect();
            let only = same.pop().filter(|_| same.is_empty())?;
            let kept = text.strip_suffix(name)?;
            Some(Fix {
                title: format!("Change to `{only}`, which is there"),
                text: format!("{kept}{only}"),
            })
        }
        _ => None,
    }
}

fn action(uri: &str, diagnostic: Diagnostic, fix: Fix) -> CodeAction {
    let edit = TextEdit {
        range: diagnostic.range,
        new_text: fix.text,
    };
    CodeAction {
        title: fix.title,
        kind: Some(CodeActionKind::QuickFix),
        diagnostics: Some(vec![diagnostic]),
        is_preferred: Some(true),
        edit: Some(WorkspaceEdit {
            changes: Some(HashMap::from([(Uri(uri.to_owned()), vec![edit])])),
            ..WorkspaceEdit::default()
        }),
        ..CodeAction::default()
    }
}

#[cfg(test)]
mod tests;
