//! Lists of jobs: filtered, newest first, page by page.
//!
//! A page begins after a place in the order (`created_at`, `job_id`), not after a number of rows: new
//! and deleted jobs neither repeat nor hide others.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::fault::Fault;
use super::read::{seq, sql_limit};
use super::{JobFilter, Page, Result, Store, row};
use crate::error::Error;
use crate::job::JobId;

impl Store {
    /// A page of the jobs that pass the filter, newest first. Hidden jobs are in no list.
    pub fn list(&self, filter: &JobFilter) -> Result<Page> {
        let (sql, values) = query(filter)?;
        self.read(|db| {
            let mut found = db.prepare_cached(&sql)?;
            let mut rows = found.query(params_from_iter(&values))?;
            let mut page = Page {
                jobs: Vec::new(),
                next: None,
                seq: seq(db)?,
            };
            let mut place = None;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                if count == filter.limit {
                    page.next = place;
                    break;
                }
                count += 1;
                if count == filter.limit {
                    place = Some(cursor(row)?);
                }
                page.jobs.extend(row::readable(row)?);
            }
            Ok(page)
        })
    }
}

/// The place of a row in the list.
fn cursor(row: &Row<'_>) -> Result<String, Fault> {
    let (id, at): (String, String) = (row.get(0)?, row.get(2)?);
    Ok(format!("{at}/{id}"))
}

fn parse_cursor(text: &str) -> Result<(String, JobId)> {
    text.split_once('/')
        .and_then(|(at, id)| Some((row::time(at.parse().ok()?), JobId::parse(id)?)))
        .ok_or_else(|| Error::bad_param("after", "is not the `next` of a page before"))
}

/// The query of a list, and what is bound in it. One row more than asked tells whether there is more.
pub(super) fn query(filter: &JobFilter) -> Result<(String, Vec<Value>)> {
    let mut sql = "SELECT job_id, document, created_at FROM jobs WHERE hidden = 0".to_owned();
    let mut values: Vec<Value> = Vec::new();
    if !filter.statuses.is_empty() {
        let marks = vec!["?"; filter.statuses.len()].join(", ");
        sql = format!("{sql} AND status IN ({marks})");
        values.extend(
            filter
                .statuses
                .iter()
                .map(|s| Value::from(s.word().to_owned())),
        );
    }
    if let Some(cluster) = &filter.cluster {
        sql += " AND cluster = ?";
        values.push(cluster.clone().into());
    }
    if let Some(path) = &filter.config_path {
        sql += " AND config_path = ?";
        values.push(path.clone().into());
    }
    if let Some(text) = &filter.text {
        sql += " AND instr(search, ?) > 0";
        values.push(text.to_lowercase().into());
    }
    if let Some(after) = &filter.after {
        let (at, id) = parse_cursor(after)?;
        sql += " AND (created_at, job_id) < (?, ?)";
        values.push(at.into());
        values.push(id.to_string().into());
    }
    sql += " ORDER BY created_at DESC, job_id DESC LIMIT ?";
    values.push(sql_limit(filter.limit.saturating_add(1)).into());
    Ok((sql, values))
}
