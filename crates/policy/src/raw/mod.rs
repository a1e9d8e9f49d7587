//! The files' shape, as TOML gives it. Texts that refer to something carry their place, for messages.

mod resource;

use std::collections::BTreeMap;

use serde::de::value::MapAccessDeserializer;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

pub(crate) use resource::{Basic, Certificate, Header, OAuth2, Output, Record, Resource, Role, Secret, Shown};

pub(crate) type Text = Spanned<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[serde(default)]
    pub(crate) resource: Vec<Resource>,
    #[serde(default)]
    pub(crate) rule: Vec<Rule>,
    #[serde(default)]
    pub(crate) group: Vec<Group>,
    #[serde(default)]
    pub(crate) user: Vec<User>,
    #[serde(default)]
    pub(crate) workload: Vec<Workload>,
    #[serde(default)]
    pub(crate) hours: Vec<Hours>,
    #[serde(default)]
    pub(crate) schedule: Vec<Schedule>,
    #[serde(default)]
    pub(crate) test: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    pub(crate) name: Text,
    pub(crate) who: Text,
    #[serde(default)]
    pub(crate) by: Option<Text>,
    pub(crate) resource: Text,
    #[serde(default)]
    pub(crate) role: Option<Text>,
    #[serde(default)]
    pub(crate) at: Option<Text>,
    #[serde(default, rename = "for")]
    pub(crate) duration: Option<Text>,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) ticket: Option<String>,
    #[serde(default)]
    pub(crate) scope: Option<String>,
    #[serde(default)]
    pub(crate) emergency: bool,
    #[serde(default)]
    pub(crate) proof: Option<Text>,
    #[serde(default)]
    pub(crate) extension: Option<u8>,
    #[serde(default)]
    pub(crate) history: Lately,
    pub(crate) expect: Spanned<Expect>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lately {
    #[serde(default)]
    pub(crate) approved: u32,
    #[serde(default)]
    pub(crate) denied: u32,
    #[serde(default)]
    pub(crate) emergencies: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Takes {
    #[serde(default)]
    pub(crate) needs: Option<Vec<Text>>,
    #[serde(default)]
    pub(crate) max: Option<Text>,
    #[serde(default)]
    pub(crate) low_risk: Option<bool>,
    #[serde(default)]
    pub(crate) can_approve: Vec<Text>,
    #[serde(default)]
    pub(crate) cannot_approve: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    pub(crate) verify: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) name: Text,
    pub(crate) who: Vec<Text>,
    pub(crate) resources: Spanned<Resources>,
    pub(crate) roles: Vec<Text>,
    #[serde(default)]
    pub(crate) max: Option<Text>,
    #[serde(default)]
    pub(crate) default: Option<Text>,
    #[serde(default)]
    pub(crate) reason: Option<Reason>,
    #[serde(default)]
    pub(crate) ticket: Option<Pattern>,
    #[serde(default)]
    pub(crate) scope: Option<Pattern>,
    #[serde(default)]
    pub(crate) clock: Option<Spanned<Clock>>,
    #[serde(default)]
    pub(crate) single_use: bool,
    #[serde(default)]
    pub(crate) break_glass: Option<Spanned<BreakGlass>>,
    #[serde(default)]
    pub(crate) approve: Option<Spanned<Approve>>,
    #[serde(default)]
    pub(crate) stages: Option<Vec<Stage>>,
    #[serde(default)]
    pub(crate) deny: bool,
    #[serde(default)]
    pub(crate) when: Option<Text>,
    #[serde(default)]
    pub(crate) auto_when: Option<Text>,
    #[serde(default)]
    pub(crate) bundle: Option<Text>,
    #[serde(default)]
    pub(crate) on_behalf_by: Vec<Text>,
    #[serde(default)]
    pub(crate) extend: Option<Spanned<Extend>>,
    #[serde(default)]
    pub(crate) low_risk: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extend {
    #[serde(default = "one")]
    pub(crate) times: u8,
    #[serde(default)]
    pub(crate) max: Option<Text>,
    #[serde(default)]
    pub(crate) approve: Option<Spanned<Approve>>,
    #[serde(default)]
    pub(crate) stages: Option<Vec<Stage>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hours {
    pub(crate) name: Text,
    pub(crate) zone: Text,
    #[serde(default)]
    pub(crate) days: Option<Vec<Text>>,
    #[serde(default)]
    pub(crate) from: Option<Text>,
    #[serde(default)]
    pub(crate) to: Option<Text>,
    #[serde(default)]
    pub(crate) except: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    pub(crate) name: Text,
    pub(crate) shift: Vec<Shift>,
    #[serde(default)]
    pub(crate) cover: Vec<Cover>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shift {
    pub(crate) zone: Text,
    #[serde(default)]
    pub(crate) days: Option<Vec<Text>>,
    #[serde(default)]
    pub(crate) from: Option<Text>,
    #[serde(default)]
    pub(crate) to: Option<Text>,
    #[serde(default)]
    pub(crate) except: Vec<Text>,
    pub(crate) people: Vec<Text>,
    pub(crate) since: Text,
    #[serde(default)]
    pub(crate) every: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cover {
    pub(crate) person: Text,
    pub(crate) from: Text,
    pub(crate) until: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Matching {
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) kind: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    #[serde(default)]
    pub(crate) min_length: usize,
    #[serde(default)]
    pub(crate) pattern: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakGlass {
    pub(crate) alert: Vec<Text>,
    pub(crate) review: AfterReview,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AfterReview {
    pub(crate) from: Vec<Text>,
    #[serde(default = "one")]
    pub(crate) needed: u8,
    #[serde(default)]
    pub(crate) within: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pattern {
    #[serde(default)]
    pub(crate) pattern: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnFirstUse {
    pub(crate) on_first_use: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    pub(crate) from: Vec<Text>,
    #[serde(default = "one")]
    pub(crate) needed: u8,
    #[serde(default)]
    pub(crate) within: Option<Text>,
    #[serde(default)]
    pub(crate) otherwise: Option<Spanned<Otherwise>>,
    #[serde(default)]
    pub(crate) asked_only: bool,
    #[serde(default)]
    pub(crate) when: Option<Text>,
}

fn one() -> u8 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Escalate {
    pub(crate) escalate: Vec<Spanned<EscalateTo>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) name: Text,
    pub(crate) members: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: Text,
    #[serde(default)]
    pub(crate) manager: Option<Text>,
    #[serde(default)]
    pub(crate) same_person_as: Vec<Text>,
    #[serde(default)]
    pub(crate) disabled: bool,
    #[serde(default)]
    pub(crate) may: Vec<Text>,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workload {
    pub(crate) name: Text,
    #[serde(default)]
    pub(crate) disabled: bool,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A value that may be written in two ways. Written out rather than `untagged`, which would lose the places inside.
macro_rules! either {
    ($name:ident = $word:ident($word_type:ty) | $map:ident($map_type:ty), $expecting:literal, $visit:item) => {
        #[derive(Debug)]
        pub(crate) enum $name {
            $word($word_type),
            $map($map_type),
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Either;
                impl<'de> Visitor<'de> for Either {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$name, A::Error> {
                        <$map_type>::deserialize(MapAccessDeserializer::new(map)).map($name::$map)
                    }
                    $visit
                }
                deserializer.deserialize_any(Either)
            }
        }
    };
}

either! { Tls = Word(String) | Verify(Verify), "\"system\", \"off\", or { verify = \"ca.pem\" }",
    fn visit_str<E: Error>(self, word: &str) -> Result<Tls, E> { Ok(Tls::Word(word.to_owned())) }
}
// Another word may be a secret that stands where its name should: it is not kept.
either! { Credential = Certificate(()) | Shown(Box<Shown>), "{ bearer = { env = \"NAME\" } } or the like, or \"certificate\"",
    fn visit_str<E: Error>(self, word: &str) -> Result<Credential, E> {
        if word == "certificate" { Ok(Credential::Certificate(())) } else { Err(E::invalid_value(Unexpected::Str(word), &self)) }
    }
}
either! { Approve = Word(String) | Stage(Stage), "\"auto\", or { from = [\"owners\"], needed = 1, within = \"30m\" }",
    fn visit_str<E: Error>(self, word: &str) -> Result<Approve, E> { Ok(Approve::Word(word.to_owned())) }
}
either! { Clock = Word(String) | OnFirstUse(OnFirstUse), "\"on_approval\", or { on_first_use = \"8h\" }",
    fn visit_str<E: Error>(self, word: &str) -> Result<Clock, E> { Ok(Clock::Word(word.to_owned())) }
}
either! { Otherwise = Word(String) | Escalate(Escalate), "\"deny\", \"next\", or { escalate = [\"group:…\"] }",
    fn visit_str<E: Error>(self, word: &str) -> Result<Otherwise, E> { Ok(Otherwise::Word(word.to_owned())) }
}
either! { Expect = Word(String) | Takes(Takes), "\"auto\", \"refused\", \"emergency\", \"denied by RULE\", or { needs = [\"2 of group:dbas\"] }",
    fn visit_str<E: Error>(self, word: &str) -> Result<Expect, E> { Ok(Expect::Word(word.to_owned())) }
}
/// Of an escalation: somebody, or a list of several who are asked together.
#[derive(Debug)]
pub(crate) enum EscalateTo {
    One(String),
    Together(Vec<Text>),
}

impl<'de> Deserialize<'de> for EscalateTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = EscalateTo;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"manager\", or a list of those who are asked together")
            }
            fn visit_str<E: Error>(self, one: &str) -> Result<EscalateTo, E> {
                Ok(EscalateTo::One(one.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<EscalateTo, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(EscalateTo::Together)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
either! { Resources = Names(Vec<Text>) | Matching(Matching), "a list of resource names, or { labels = { … }, kind = \"postgres\" }",
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Resources, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Resources::Names)
    }
}
