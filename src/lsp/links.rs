//! The files a config names, as links. Pure.

use gen_lsp_types::{DocumentLink, Uri};

use crate::namd::{Analysis, Input, InputState};

use super::place;

/// A link for each input that is there and is written out at its place.
pub(crate) fn of_analysis(config: &str, analysis: &Analysis) -> Vec<DocumentLink> {
    let mut links: Vec<DocumentLink> = analysis
        .inputs
        .iter()
        .filter(|input| input.is_literal && in_config(analysis, input))
        .filter_map(|input| {
            let InputState::File { bytes } = input.state else {
                return None;
            };
            let path = input.path.as_deref()?;
            Some(DocumentLink {
                range: place::range(input.site.range),
                target: Some(Uri(place::uri_of_file(config, path))),
                tooltip: Some(format!("{}, {}", input.keyword, size(bytes))),
                data: None,
            })
        })
        .collect();
    links.sort_by_key(|link| (link.range.start.line, link.range.start.character));
    links.dedup_by(|a, b| a.range == b.range);
    links
}

fn in_config(analysis: &Analysis, input: &Input) -> bool {
    input.site.file == analysis.config || input.site.file.is_empty()
}

/// A size for people, in powers of 1000 as file managers count.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut whole, mut tenths, mut unit) = (bytes, 0, 0);
    for step in 0..UNITS.len() {
        unit = step;
        tenths = (whole % 1000) / 100;
        whole /= 1000;
        if whole < 1000 {
            break;
        }
    }
    let unit = UNITS.get(unit).copied().unwrap_or("PB");
    if whole >= 10 {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{tenths} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_990, "9.9 kB"),
            (81_920, "81 kB"),
            (4_250_000, "4.2 MB"),
            (12_000_000_000, "12 GB"),
            (u64::MAX, "18446 PB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
