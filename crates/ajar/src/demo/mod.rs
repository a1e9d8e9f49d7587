pub(crate) async fn run(_: crate::cli::Demo) -> Result<(), crate::exit::Failure> { Ok(()) }
