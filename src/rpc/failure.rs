//! Errors → JSON-RPC error objects. The only place that makes them.

use jsonrpsee::types::ErrorObjectOwned;

use crate::error::{Error, ErrorKind};
use crate::protocol::{ErrorCode, ErrorData, METHOD_NOT_FOUND, METHODS};
use crate::rpc::view;

/// The error object of an error.
pub fn object(error: &Error) -> ErrorObjectOwned {
    let findings = (!error.findings.is_empty()).then(|| view::findings(&error.findings));
    let data = ErrorData {
        kind: error.kind.name().to_owned(),
        hint: error.hint.clone(),
        retryable: error.kind.retryable(),
        job_id: error.job_id.clone(),
        cluster: error.cluster.clone(),
        findings,
    };
    ErrorObjectOwned::owned(error.kind.code(), error.message.clone(), Some(data))
}

/// Logs an error that a method answers: defects in full, the rest in short.
pub fn log(method: &str, error: &Error) {
    let source = error.source.as_ref().map(ToString::to_string);
    if error.kind == ErrorKind::Internal {
        tracing::error!(method, %error, source, "a call failed by a defect");
    } else {
        tracing::info!(method, kind = error.kind.name(), %error, source, "a call was refused");
    }
}

/// The error object of something that never reached a method.
pub fn refusal(code: ErrorCode, message: impl Into<String>, hint: &str) -> ErrorObjectOwned {
    let data = ErrorData {
        kind: code.kind.to_owned(),
        hint: Some(hint.to_owned()),
        retryable: code.retryable,
        job_id: None,
        cluster: None,
        findings: None,
    };
    ErrorObjectOwned::owned(code.code, message.into(), Some(data))
}

/// The error object for a method that does not exist, with the nearest one that does.
pub fn no_such_method(name: &str) -> ErrorObjectOwned {
    let nearest = METHODS
        .iter()
        .map(|row| (strsim::jaro_winkler(row.name, name), row.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.8);
    let hint = match nearest {
        Some((_, nearest)) => format!("Did you mean {nearest}?"),
        None => "`namdrunner schema` prints all methods.".to_owned(),
    };
    // The name is the caller's own text: it is cut, so that an answer stays short.
    let shown: String = name.chars().take(80).collect();
    refusal(
        METHOD_NOT_FOUND,
        format!("There is no method {shown:?}."),
        &hint,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(object: &ErrorObjectOwned) -> ErrorData {
        serde_json::from_str(object.data().unwrap().get()).unwrap()
    }

    #[test]
    fn an_error_keeps_everything_it_knows() {
        let error = Error::new(ErrorKind::ClusterUnavailable, "No answer.")
            .hinted("Wait.")
            .of_job("a_1")
            .on_cluster("hpc")
            .caused_by(std::io::Error::other("secret detail"));
        let object = object(&error);
        assert_eq!(object.code(), ErrorKind::ClusterUnavailable.code());
        assert_eq!(object.message(), "No answer.");
        let expected = ErrorData {
            kind: "clusterUnavailable".into(),
            hint: Some("Wait.".into()),
            retryable: true,
            job_id: Some("a_1".into()),
            cluster: Some("hpc".into()),
            findings: None,
        };
        assert_eq!(data(&object), expected);
    }

    #[test]
    fn a_mistyped_method_is_told_the_right_one() {
        let hint = |name| data(&no_such_method(name)).hint.unwrap();
        assert_eq!(hint("listjobs"), "Did you mean listJobs?");
        assert_eq!(hint("jobstatus"), "Did you mean jobStatus?");
        assert!(hint("textDocument/hover").contains("schema"));
    }
}
