//! provisional façade: replaced by the real room when it is merged
#![allow(missing_docs)]
pub mod finding;
pub mod text;
pub use finding::{Code, Finding, Severity};

pub struct Need { pub path: String, pub content: bool }
pub enum Found { Missing, Directory, Unreadable(String), File { bytes: u64, content: Option<Vec<u8>> } }
pub struct Input { pub keyword: String, pub path: String, pub role: String, pub bytes: Option<u64> }
pub struct Closed { pub inputs: Vec<Input>, pub output_paths: Vec<String>, pub findings: Vec<Finding>, pub total_steps: Option<u64> }
pub struct Closure { vars: Vec<(String, String)>, fed: Vec<(String, Found)>, config: String, text: Option<String> }
impl Closure {
    pub fn new(config: &str) -> Self { Self { vars: vec![], fed: vec![], config: config.into(), text: None } }
    fn words(&self) -> Vec<(String, String)> {
        let mut vars = self.vars.clone(); let mut out = vec![];
        for line in self.text.iter().flat_map(|t| t.lines()) {
            let line = line.split(";#").next().unwrap_or("").split(" #").next().unwrap_or("");
            let mut it = line.split_whitespace();
            let (Some(k), rest) = (it.next(), it.collect::<Vec<_>>().join(" ")) else { continue };
            let mut rest = rest; for (n, v) in &vars { rest = rest.replace(&format!("${{{n}}}"), v).replace(&format!("${n}"), v); }
            if k == "set" { if let Some((n, v)) = rest.split_once(' ') { vars.push((n.into(), v.trim().into())); } }
            out.push((k.to_ascii_lowercase(), rest));
        }
        out
    }
    pub fn needs(&self) -> Vec<Need> {
        if self.text.is_none() { return vec![Need { path: self.config.clone(), content: true }]; }
        self.words().into_iter().filter(|(k, _)| matches!(k.as_str(), "structure"|"coordinates"|"parameters"))
            .map(|(_, p)| p).filter(|p| !self.fed.iter().any(|(f, _)| f == p)).map(|path| Need { path, content: false }).collect()
    }
    pub fn feed(&mut self, path: &str, found: Found) {
        if path == self.config { if let Found::File { content: Some(c), .. } = &found { self.text = Some(String::from_utf8_lossy(c).into_owned()); } }
        self.fed.push((path.into(), found));
    }
    pub fn finish(self) -> Closed {
        let mut inputs = vec![]; let mut findings = vec![]; let mut output_paths = vec![];
        for (k, v) in self.words() {
            if matches!(k.as_str(), "structure"|"coordinates"|"parameters") {
                let found = self.fed.iter().find(|(p, _)| *p == v).map(|(_, f)| f);
                let bytes = match found { Some(Found::File { bytes, .. }) => Some(*bytes), _ => None };
                if bytes.is_none() { findings.push(Finding { severity: Severity::Error, code: Code::InputMissing, message: format!("{k} names {v}, which is not there."), file: self.config.clone(), span: Default::default(), range: Default::default() }); }
                inputs.push(Input { keyword: k, path: v, role: "structure".into(), bytes });
            } else if k == "outputname" { output_paths.push(v); }
        }
        Closed { inputs, output_paths, findings, total_steps: None }
    }
}
