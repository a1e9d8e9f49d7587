//! The files of a large company, for benchmarks.

use std::fmt::Write as _;

use ajar_policy::Files;

pub(crate) const RULES: usize = 1_000;
pub(crate) const RESOURCES: usize = 10_000;
pub(crate) const TEAMS: usize = 100;
pub(crate) const PEOPLE: usize = 2_000;

/// A company: a hundred teams with their databases; rules by team and by environment, so that many match one resource.
pub(crate) fn files() -> Files {
    let (mut files, mut people, mut rules) = (Files::new(), String::new(), String::new());
    for n in 0..RESOURCES {
        let resources = files.entry(format!("resources-{}.toml", n / 1_000)).or_default();
        let (team, env) = (n % TEAMS, ["prod", "stage", "test", "dev"][n / TEAMS % 4]);
        write!(
            resources,
            "[[resource]]\nname = \"db-{n}\"\nkind = \"postgres\"\nowners = [\"group:team-{team}\"]\nhost = \"db-{n}.internal\"\ndatabase = \"d\"\n\
             labels = {{ team = \"{team}\", env = \"{env}\" }}\ntls = \"system\"\nadmin = {{ user = \"admin\", password = {{ env = \"P\" }} }}\n\
             [resource.roles.read]\nmember_of = [\"r\"]\n[resource.roles.write]\nmember_of = [\"w\"]\n"
        )
        .unwrap();
    }
    for team in 0..TEAMS {
        let members: Vec<String> = (0..PEOPLE).filter(|p| p % TEAMS == team || p % 7 == team % 7).map(|p| format!("\"p{p}\"")).collect();
        writeln!(people, "[[group]]\nname = \"team-{team}\"\nmembers = [{}]", members.join(", ")).unwrap();
    }
    for p in 0..PEOPLE {
        writeln!(people, "[[user]]\nname = \"p{p}\"").unwrap();
    }
    for n in 0..RULES {
        let (team, env) = (n % TEAMS, ["prod", "stage", "test", "dev"][n % 4]);
        let labels = if n % 10 == 0 { format!("env = \"{env}\"") } else { format!("team = \"{team}\"") };
        writeln!(
            rules,
            "[[rule]]\nname = \"rule-{n}\"\nwho = [\"group:team-{team}\"]\nresources = {{ labels = {{ {labels} }} }}\nroles = [\"read\"]\nmax = \"{}h\"\n\
             approve = {{ from = [\"owners\", \"group:team-{}\"], needed = {} }}",
            n % 8 + 1,
            (n + 1) % TEAMS,
            n % 3 + 1
        )
        .unwrap();
    }
    files.extend([("people.toml".into(), people), ("rules.toml".into(), rules)]);
    files
}
