#[derive(clap::Args)]
pub struct Doctor {}
impl Doctor { pub fn run(self) -> anyhow::Result<bool> { Ok(true) } }
