//! `caesar doctor`: is everything in order, and if not, what is to be done?

mod codec;
mod hosts;
mod models;
mod plugin;

use crate::text;
use anyhow::Result;

#[derive(clap::Args)]
pub struct Doctor {}

impl Doctor {
    pub fn run(self) -> Result<bool> {
        let mut report = Report::default();
        plugin::examine(&mut report);
        if let Err(error) = hosts::examine(&mut report) {
            report.warning("host", format!("not tried: {}", text::error(&error)), "let TMPDIR name a folder that can be written");
        }
        models::examine(&mut report);
        codec::examine(&mut report);
        println!();
        match report.errors {
            0 => println!("All is well."),
            1 => println!("1 error."),
            n => println!("{n} errors."),
        }
        Ok(report.errors == 0)
    }
}

/// What was found so far, printed as it is found.
#[derive(Default)]
struct Report {
    errors: usize,
}

impl Report {
    fn ok(&mut self, subject: &str, finding: impl AsRef<str>) {
        println!("ok       {subject:<22} {}", finding.as_ref());
    }

    /// Something that need not be wrong, and what may be done.
    fn warning(&mut self, subject: &str, finding: impl AsRef<str>, advice: impl AsRef<str>) {
        println!("warning  {subject:<22} {}", finding.as_ref());
        println!("{:32}→ {}", "", advice.as_ref());
    }

    fn error(&mut self, subject: &str, finding: impl AsRef<str>, advice: impl AsRef<str>) {
        self.errors += 1;
        println!("error    {subject:<22} {}", finding.as_ref());
        println!("{:32}→ {}", "", advice.as_ref());
    }
}
