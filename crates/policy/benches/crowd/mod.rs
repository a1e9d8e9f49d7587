//! A company of any size, for benchmarks: teams with their databases; rules by team and by environment.

use std::collections::BTreeMap;
use std::fmt::Write;

use ajar_core::id::PrincipalId;
use ajar_core::name::PrincipalName;
use ajar_policy::{Files, RuleSet};
use uuid::Uuid;

pub(crate) struct Company {
    pub(crate) rules: usize,
    pub(crate) resources: usize,
    pub(crate) teams: usize,
    pub(crate) people: usize,
    /// A tenth of the rules is for whole environments, so that many match one resource.
    pub(crate) wide: bool,
    /// Every third rule looks at who asks and when, and at what lately was.
    pub(crate) conditions: bool,
}

impl Company {
    pub(crate) fn files(&self) -> Files {
        let (mut files, mut people, mut rules) = (Files::new(), String::new(), String::new());
        for n in 0..self.resources {
            let resources = files.entry(format!("resources-{}.toml", n / 1_000)).or_default();
            let (team, env) = (n % self.teams, ["prod", "stage", "test", "dev"][n / self.teams % 4]);
            write!(
                resources,
                "[[resource]]\nname = \"db-{n}\"\nkind = \"postgres\"\nowners = [\"group:team-{team}\"]\nhost = \"db-{n}.internal\"\ndatabase = \"d\"\n\
                 labels = {{ team = \"{team}\", env = \"{env}\" }}\ntls = \"system\"\nadmin = {{ user = \"admin\", password = {{ env = \"P\" }} }}\n\
                 [resource.roles.read]\nmember_of = [\"r\"]\n[resource.roles.write]\nmember_of = [\"w\"]\n"
            )
            .unwrap();
        }
        for team in 0..self.teams {
            let members: Vec<String> = (0..self.people)
                .filter(|p| p % self.teams == team || self.wide && p % 7 == team % 7)
                .map(|p| format!("\"p{p}\""))
                .collect();
            writeln!(people, "[[group]]\nname = \"team-{team}\"\nmembers = [{}]", members.join(", ")).unwrap();
        }
        for p in 0..self.people {
            writeln!(people, "[[user]]\nname = \"p{p}\"\nattributes = {{ site = \"{}\" }}", ["berlin", "lima"][p % 2]).unwrap();
        }
        writeln!(people, "[[hours]]\nname = \"office\"\nzone = \"Europe/Berlin\"\nfrom = \"09:00\"\nto = \"17:00\"").unwrap();
        for n in 0..self.rules {
            let (team, env) = (n % self.teams, ["prod", "stage", "test", "dev"][n % 4]);
            let labels = if self.wide && n % 10 == 0 { format!("env = \"{env}\"") } else { format!("team = \"{team}\"") };
            let conditions = if self.conditions && n % 3 == 0 {
                format!(
                    "when = 'context.hours.office || principal.attributes.site == \"{}\"'\n\
                     auto_when = 'context.minutes <= {} && context.history.denied == 0 && context.ticket like \"INC-*\"'\n",
                    ["berlin", "lima"][n / 3 % 2],
                    n % 7 * 15
                )
            } else {
                String::new()
            };
            writeln!(
                rules,
                "[[rule]]\nname = \"rule-{n}\"\nwho = [\"group:team-{team}\"]\nresources = {{ labels = {{ {labels} }} }}\nroles = [\"read\"]\nmax = \"{}h\"\n\
                 {conditions}approve = {{ from = [\"owners\", \"group:team-{}\"], needed = {} }}",
                n % 8 + 1,
                (n + 1) % self.teams,
                n % 3 + 1
            )
            .unwrap();
        }
        // A file has a size that it may not exceed.
        for (part, rules) in rules.split_inclusive("}\n").collect::<Vec<_>>().chunks(2_000).enumerate() {
            files.insert(format!("rules-{part}.toml"), rules.concat());
        }
        files.insert("people.toml".into(), people);
        files
    }
}

pub(crate) fn ids(rules: &RuleSet) -> BTreeMap<PrincipalName, PrincipalId> {
    rules.principals().zip(1..).map(|(p, n)| (p.name, PrincipalId::new(Uuid::from_u128(n)))).collect()
}
