use serde_json::json;

use super::*;

fn down(ledger: &mut Ledger, message: &Value) {
    ledger.note_downward(Downward::read(&message.to_string()));
}

fn up(ledger: &mut Ledger, message: &Value) -> Upward {
    ledger.note_upward(&message.to_string())
}

fn request(id: u32, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}})
}

fn answer(id: u32, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn values(texts: &[String]) -> Vec<Value> {
    let texts = texts.iter();
    texts
        .map(|text| serde_json::from_str(text).unwrap())
        .collect()
}

#[test]
fn a_session_goes_on_where_it_was() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.resume(), None);
    let params = json!({"capabilities": {}, "clientInfo": {"name": "x"}});
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    up(&mut ledger, &initialize);
    assert_eq!(ledger.resume(), None, "it has not been answered");
    up(
        &mut ledger,
        &json!({"jsonrpc": "2.0", "method": "initialized"}),
    );
    down(&mut ledger, &answer(1, &json!({"capabilities": {}})));
    up(&mut ledger, &request(2, "listJobs"));
    down(&mut ledger, &answer(2, &json!({"jobs": [], "seq": 7})));
    let resume = ledger.resume().unwrap();
    assert_eq!(
        (&resume.initialize, resume.listening, resume.seq),
        (&Some(params), true, Some(7))
    );
    let told =
        |seq: u64| json!({"jsonrpc": "2.0", "method": "jobStatusChanged", "params": {"seq": seq}});
    down(&mut ledger, &told(9));
    down(&mut ledger, &told(8));
    up(&mut ledger, &request(3, "listJobs"));
    down(&mut ledger, &answer(3, &json!({"jobs": [], "seq": 20})));
    assert_eq!(
        ledger.resume().unwrap().seq,
        Some(9),
        "10 to 20 were not told"
    );
    assert!(!ledger.has_questions_for_the_daemon());
}

#[test]
fn reads_are_asked_again_once_and_writes_are_not() {
    let mut ledger = Ledger::default();
    up(&mut ledger, &request(1, "listJobs"));
    up(&mut ledger, &request(2, "submit"));
    up(&mut ledger, &request(3, "noSuchMethod"));
    let lost = values(&ledger.give_up_what_was_lost());
    assert_eq!(lost.len(), 1);
    assert_eq!(
        (
            &lost[0]["id"],
            &lost[0]["error"]["data"]["kind"],
            &lost[0]["error"]["data"]["retryable"]
        ),
        (&json!(2), &json!("serverLost"), &json!(true))
    );
    let again = values(&ledger.take_what_is_asked_again());
    assert_eq!(again, [request(1, "listJobs"), request(3, "noSuchMethod")]);
    down(&mut ledger, &answer(3, &json!(null)));
    let lost = values(&ledger.give_up_what_was_lost());
    assert_eq!(
        lost.len(),
        1,
        "a request that kills is not repeated for ever"
    );
    assert_eq!(lost[0]["id"], 1);
    assert!(!ledger.has_questions_for_the_daemon());
}

#[test]
fn a_batch_is_answered_as_one() {
    let mut ledger = Ledger::default();
    let note = json!({"jsonrpc": "2.0", "method": "later"});
    up(
        &mut ledger,
        &json!([request(1, "listJobs"), note, request(2, "submit")]),
    );
    up(&mut ledger, &request(3, "cancel"));
    let lost = values(&ledger.give_up_what_was_lost());
    assert_eq!(lost.len(), 2);
    assert_eq!(lost[0]["id"], 3);
    let ids: Vec<&Value> = lost[1]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, [&json!(1), &json!(2)]);
    up(
        &mut ledger,
        &json!([request(4, "listJobs"), request(5, "listJobs")]),
    );
    down(
        &mut ledger,
        &json!([answer(4, &json!({})), answer(5, &json!({}))]),
    );
    assert!(!ledger.has_questions_for_the_daemon());
}

#[test]
fn progress_that_has_begun_is_ended() {
    let mut ledger = Ledger::default();
    let create = |id: u32, token: &str| json!({"jsonrpc": "2.0", "id": id, "method": "createJob", "params": {"workDoneToken": token}});
    up(&mut ledger, &create(1, "a"));
    up(&mut ledger, &create(2, "b"));
    let progress = |token: &str, kind: &str| json!({"jsonrpc": "2.0", "method": "$/progress", "params": {"token": token, "value": {"kind": kind}}});
    down(&mut ledger, &progress("a", "begin"));
    down(&mut ledger, &progress("b", "begin"));
    down(&mut ledger, &progress("b", "end"));
    let lost = values(&ledger.give_up_what_was_lost());
    assert_eq!(lost[0], progress("a", "end"));
    assert_eq!((&lost[1]["id"], &lost[2]["id"]), (&json!(1), &json!(2)));
}

#[test]
fn the_daemons_farewell_is_for_the_forwarder_alone() {
    let mut ledger = Ledger::default();
    let farewell = Downward::read(&message::bare(LEAVING));
    assert!(!farewell.is_for_the_client());
    ledger.note_downward(farewell);
    assert!(ledger.left() && !ledger.left());
    assert!(Downward::read("{}").is_for_the_client());
}

#[test]
fn open_documents_are_told_to_the_next_daemon_as_they_are_by_then() {
    let mut ledger = Ledger::default();
    let note =
        |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params});
    let open = |uri: &str| {
        let item = json!({"uri": uri, "languageId": "namd", "version": 1, "text": "run 10\n"});
        note("textDocument/didOpen", json!({"textDocument": item}))
    };
    up(&mut ledger, &open("file:///a.namd"));
    up(&mut ledger, &open("file:///b.namd"));
    let place = |character: u32| json!({"line": 0, "character": character});
    let change = json!({"range": {"start": place(4), "end": place(6)}, "text": "20"});
    let params = json!({
        "textDocument": {"uri": "file:///a.namd", "version": 2},
        "contentChanges": [change],
    });
    up(&mut ledger, &note("textDocument/didChange", params));
    let close = json!({"textDocument": {"uri": "file:///b.namd"}});
    up(&mut ledger, &note("textDocument/didClose", close));
    up(&mut ledger, &request(1, "workspace/executeCommand"));
    let lost = values(&ledger.give_up_what_was_lost());
    assert_eq!(lost.len(), 1, "commands change things");
    let again = values(&ledger.take_what_is_asked_again());
    let item =
        json!({"uri": "file:///a.namd", "languageId": "namd", "version": 2, "text": "run 20\n"});
    let expected = note("textDocument/didOpen", json!({"textDocument": item}));
    assert_eq!(again, [expected]);
}

#[test]
fn what_is_answered_to_a_daemon_that_is_gone_is_not_for_the_next() {
    let mut ledger = Ledger::default();
    let question = json!({"jsonrpc": "2.0", "id": "q-0", "method": "authPrompt", "params": {}});
    let reply = json!({"jsonrpc": "2.0", "id": "q-0", "result": {"answers": ["x"]}});
    assert_eq!(up(&mut ledger, &reply), Upward::Drop, "nobody asked");
    down(&mut ledger, &question);
    let lost = values(&ledger.give_up_what_was_lost());
    let withdrawal =
        json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "q-0"}});
    assert_eq!(lost, [withdrawal]);
    assert_eq!(up(&mut ledger, &reply), Upward::Drop, "the former's");
    let next = Id::of_question();
    assert_ne!(next, Id::of_question());
    ledger.note_downward(Downward::read(&message::bare_question(&next, "authPrompt")));
    let reply = message::success(&next, &json!({"answers": ["x"]}));
    assert_eq!(ledger.note_upward(&reply), Upward::Pass);
    assert_eq!(ledger.note_upward(&reply), Upward::Drop, "once");
}

#[test]
fn what_is_no_message_needs_no_daemon_to_be_answered() {
    let mut ledger = Ledger::default();
    for text in [
        "{",
        "7",
        "[]",
        r#"{"jsonrpc":"1.0","id":1,"method":"listJobs"}"#,
    ] {
        let Upward::Answer(answer) = ledger.note_upward(text) else {
            panic!("{text} is passed on");
        };
        assert!(answer.contains("error"), "{answer}");
    }
    assert!(!ledger.has_questions_for_the_daemon());
    // In a batch, its answer is one of the batch's.
    up(&mut ledger, &json!([request(1, "listJobs"), 7]));
    let nobody = Error::new(ErrorKind::ServerLost, "Nobody is there.");
    let answers = values(&ledger.refuse_all(&nobody));
    assert_eq!(answers.len(), 1);
    let codes = answers[0].as_array().unwrap();
    let codes: Vec<&Value> = codes.iter().map(|one| &one["error"]["code"]).collect();
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert_eq!(codes[1], &json!(-32600));
    up(&mut ledger, &json!([7, request(2, "listJobs")]));
    let refused = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600}});
    down(&mut ledger, &json!([refused, answer(2, &json!({}))]));
    assert!(!ledger.has_questions_for_the_daemon());
}

#[test]
fn exit_is_the_last() {
    let mut ledger = Ledger::default();
    assert_eq!(up(&mut ledger, &request(1, "shutdown")), Upward::Pass);
    assert!(ledger.shut_down);
    let exit = json!({"jsonrpc": "2.0", "method": "exit"});
    assert_eq!(up(&mut ledger, &exit), Upward::Exit);
    assert!(is_exit(&exit.to_string()) && !is_exit("{"));
}
