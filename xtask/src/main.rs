//! What is done to the project: `cargo xtask demo | test | ci | build | bench | web | shots | codegen | arch | licences`.

mod arch;
mod licences;
mod postgres;
mod prepare;
mod web;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const HELP: &str = "cargo xtask COMMAND

  demo [ARGS]      build Ajar and try it on this machine; ARGS go to `ajar demo`
  test [ARGS]      install or name what the tests need, then run every test; ARGS go to `cargo test`
       --long      much longer property, crash and load tests
  ci [--long]      formatting, lints, crate arrows, licences, then test
  build            the pages, then the release binary that holds them
  web [ARGS]       the pages: build, check, and try them in a browser; ARGS go to Playwright
  shots            take the documents' pictures of the pages anew
  bench [PART]     benchmarks, each with its reference taken in the same run
  codegen          write what is generated from the code: docs/schema, docs/openapi.json (a test compares)
  arch             check which crate uses which
  licences         check licences and sources of dependencies
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let (command, rest) = args.split_first().map_or(("help", &[][..]), |(c, rest)| (c.as_str(), rest));
    match command {
        "demo" => demo(rest),
        "test" => test(rest),
        "ci" => ci(rest),
        "build" => release().map(|ajar| say(&format!("built {}", ajar.display()))),
        "web" => pages("", &rest.iter().map(String::as_str).collect::<Vec<_>>()),
        "shots" => pages("shots", &[]),
        "bench" => bench(rest),
        "codegen" => codegen(),
        "arch" => arch::check(&root()),
        "licences" => licences::check(&root()),
        "help" | "--help" | "-h" => {
            say(HELP);
            Ok(())
        }
        other => bail!("there is no '{other}'\n\n{HELP}"),
    }
}

#[expect(clippy::print_stderr, reason = "the one place that talks")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// The project's folder.
fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    manifest.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Where downloads are kept: `$AJAR_CACHE`, else `$XDG_CACHE_HOME/ajar`, else `~/.cache/ajar`.
fn cache() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || std::env::home_dir().context("there is no home folder: set AJAR_CACHE");
    let folder = match (set("AJAR_CACHE"), set("XDG_CACHE_HOME")) {
        (Some(own), _) => own,
        (None, Some(caches)) => caches.join("ajar"),
        (None, None) => home()?.join(".cache/ajar"),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its good end.
fn good(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("cannot run {shown}"))?;
    if status.success() { Ok(()) } else { bail!("{shown} ended with {status}") }
}

/// A command's output.
fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        bail!("{shown} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds Ajar, with the pages that are there, and says where it is.
fn built(profile: &[&str]) -> Result<PathBuf> {
    good(cargo().args(["build", "--package", "ajar", "--bin", "ajar", "--features", "web"]).args(profile))?;
    binary(if profile.contains(&"--release") { "release" } else { "debug" })
}

/// Where the program is once it is built.
fn binary(profile: &str) -> Result<PathBuf> {
    let text = output(cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let target = metadata.get("target_directory").and_then(|t| t.as_str()).context("cargo metadata names no target folder")?;
    Ok(Path::new(target).join(profile).join("ajar"))
}

/// The release binary, with its pages.
fn release() -> Result<PathBuf> {
    web::build()?;
    built(&["--release"])
}

/// Builds the pages and tries them in a browser.
fn pages(which: &str, args: &[&str]) -> Result<()> {
    let environment = prepare::all()?;
    web::build()?;
    web::check()?;
    web::browse(&built(&[])?, &environment, which, args)
}

fn demo(args: &[String]) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let named = std::env::var_os("AJAR_POSTGRES_BIN").map(PathBuf::from);
    let programs = match named.or_else(postgres::of_the_system) {
        Some(programs) => programs,
        None => postgres::fetched(18)?,
    };
    say(&format!("PostgreSQL for the sample: {}", programs.display()));
    say("Building Ajar (the first time takes some minutes) …");
    let ajar = release()?;
    let error = Command::new(ajar).arg("demo").arg("--postgres-bin").arg(programs).args(args).exec();
    Err(error).context("cannot start the demo")
}

fn test(args: &[String]) -> Result<()> {
    let environment = prepare::all()?;
    web::build()?;
    web::check()?;
    let mut command = cargo();
    command.args(["test", "--workspace", "--features", "ajar/web", "--no-fail-fast"]);
    command.envs(environment.iter().map(|(k, v)| (k, v)));
    if args.iter().any(|a| a == "--long") {
        command.env("AJAR_LONG", "1");
    }
    good(command.args(args.iter().filter(|a| *a != "--long")))?;
    say("== in a browser");
    // The one that the tests were built with: another set of features would build half of it anew.
    web::browse(&binary("debug")?, &environment, "", &[])
}

fn ci(args: &[String]) -> Result<()> {
    say("== formatting");
    good(cargo().args(["fmt", "--all", "--check"]))?;
    say("== which crate uses which");
    arch::check(&root())?;
    say("== licences and sources");
    licences::check(&root())?;
    say("== lints");
    good(cargo().args(["clippy", "--workspace", "--all-targets", "--features", "ajar/web", "--", "-D", "warnings"]))?;
    say("== tests");
    test(args)
}

fn bench(args: &[String]) -> Result<()> {
    let environment = prepare::all()?;
    let part = args.first().map_or("all", String::as_str);
    let mut known = false;
    for (name, package, bench) in [
        ("ledger", "ajar-ledger", "verify"),
        ("wire", "ajar-wire", "scan"),
        ("store", "ajar-store", "append"),
        ("policy", "ajar-policy", "decide"),
        ("replay", "ajar-policy", "replay"),
        ("apply", "ajar-engine", "apply"),
        ("lookback", "ajar-engine", "lookback"),
        ("cut", "ajar-gateway", "cut"),
        ("gateway", "ajar", "gateway"),
        ("http", "ajar", "http"),
        ("ssh", "ajar", "ssh"),
    ] {
        if part != "all" && part != name {
            continue;
        }
        known = true;
        say(&format!("== {name}"));
        good(
            cargo()
                .args(["bench", "--package", package, "--bench", bench])
                .env("AJAR_LOG", "info")
                .envs(environment.iter().map(|(k, v)| (k, v))),
        )?;
    }
    if part == "all" || part == "web" {
        known = true;
        say("== web");
        web::browse(&release()?, &environment, "speed", &[])?;
    }
    if known { Ok(()) } else { bail!("there is no benchmark '{part}'") }
}

/// Writes what is made from the code.
fn codegen() -> Result<()> {
    let ajar = built(&[])?;
    let docs = root().join("docs");
    for (what, file) in [("schema", "schema/policy.json"), ("openapi", "openapi.json")] {
        let text = output(Command::new(&ajar).args(["internal", what]))?;
        let path = docs.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(&docs))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        say(&format!("wrote {}", path.display()));
    }
    Ok(())
}
