//! What is said where nobody listens any more is lost, and nothing else is.

use caesar_onnx::notice;
use std::process::{Command, Stdio};

#[test]
fn stderr_may_be_closed() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let speaker = std::env::current_exe().unwrap();
    let arguments = ["--ignored", "--nocapture", "a_speaker"];
    let status = Command::new(speaker).args(arguments).stdout(Stdio::null()).stderr(writer).status().unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "run by the other, with a stderr of its own"]
fn a_speaker() {
    notice::once("subject", "message");
}
