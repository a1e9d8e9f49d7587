//! Conditions: Cedar expressions over who asks, what for, and how things stand. They are checked against a schema made from the
//! files, so that a misspelt attribute is an error, and evaluated over just those values that they look at.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use ajar_core::time::Timestamp;
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, EvalResult, Expression, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;
use serde_json::{Value as Json, json};

use crate::problem::near;

/// The longest condition, in bytes.
const LONGEST: usize = 4 * 1024;

/// A condition, compared by its text.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    text: String,
    expression: Expression,
    /// What it looks at.
    looks: Vec<Leaf>,
    never: bool,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.looks == other.looks
    }
}

impl Eq for Condition {}

/// One value that a condition can look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leaf {
    Name,
    Kind,
    Groups,
    Attribute(String),
    Resource,
    ResourceKind,
    Label(String),
    Role,
    Minutes,
    Ticket,
    Emergency,
    OnBehalf,
    Proof,
    Now,
    Hours(String),
    OnCall(String),
    Approved,
    Denied,
    Emergencies,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Text(String),
    Texts(BTreeSet<String>),
    Flag(bool),
    Number(i64),
    Instant(Timestamp),
}

/// What is wrong with a condition, and from which byte of it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Leaf {
    /// Where it stands: a variable, perhaps a record in it, an attribute.
    fn path(&self) -> (&'static str, Option<&'static str>, &str) {
        match self {
            Self::Name => ("principal", None, "name"),
            Self::Kind => ("principal", None, "kind"),
            Self::Groups => ("principal", None, "groups"),
            Self::Attribute(name) => ("principal", Some("attributes"), name),
            Self::Resource => ("resource", None, "name"),
            Self::ResourceKind => ("resource", None, "kind"),
            Self::Label(name) => ("resource", Some("labels"), name),
            Self::Role => ("context", None, "role"),
            Self::Minutes => ("context", None, "minutes"),
            Self::Ticket => ("context", None, "ticket"),
            Self::Emergency => ("context", None, "emergency"),
            Self::OnBehalf => ("context", None, "on_behalf"),
            Self::Proof => ("context", None, "proof"),
            Self::Now => ("context", None, "now"),
            Self::Hours(name) => ("context", Some("hours"), name),
            Self::OnCall(name) => ("context", Some("on_call"), name),
            Self::Approved => ("context", Some("history"), "approved"),
            Self::Denied => ("context", Some("history"), "denied"),
            Self::Emergencies => ("context", Some("history"), "emergencies"),
        }
    }

    /// Its type, as Cedar's schemas spell it.
    fn schema(&self) -> Json {
        match self {
            Self::Groups => json!({ "type": "Set", "element": { "type": "String" } }),
            Self::Minutes | Self::Approved | Self::Denied | Self::Emergencies => json!({ "type": "Long" }),
            Self::Emergency | Self::OnBehalf | Self::Hours(_) | Self::OnCall(_) => json!({ "type": "Boolean" }),
            Self::Now => json!({ "type": "Extension", "name": "datetime" }),
            Self::Name
            | Self::Kind
            | Self::Attribute(_)
            | Self::Resource
            | Self::ResourceKind
            | Self::Label(_)
            | Self::Role
            | Self::Ticket
            | Self::Proof => json!({ "type": "String" }),
        }
    }

    fn is_under(&self, read: &[String]) -> bool {
        let (variable, record, attribute) = self.path();
        let own = [Some(variable), record, Some(attribute)].into_iter().flatten();
        own.zip(read).all(|(own, read)| own == read)
    }
}

impl std::fmt::Display for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (variable, record, attribute) = self.path();
        f.write_str(variable)?;
        record.map_or(Ok(()), |record| write!(f, ".{record}"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if attribute.starts_with(|c: char| !c.is_ascii_digit()) && attribute.chars().all(plain) {
            write!(f, ".{attribute}")
        } else {
            write!(f, "[{attribute:?}]")
        }
    }
}

impl Value {
    fn expression(&self) -> RestrictedExpression {
        match self {
            Self::Text(text) => RestrictedExpression::new_string(text.clone()),
            Self::Texts(texts) => RestrictedExpression::new_set(texts.iter().map(|t| RestrictedExpression::new_string(t.clone()))),
            Self::Flag(flag) => RestrictedExpression::new_bool(*flag),
            Self::Number(number) => RestrictedExpression::new_long(*number),
            Self::Instant(at) => RestrictedExpression::new_datetime(at.to_string()),
        }
    }

    /// For the ledger and for people.
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Text(text) => json!(text),
            Self::Texts(texts) => json!(texts),
            Self::Flag(flag) => json!(flag),
            Self::Number(number) => json!(number),
            Self::Instant(at) => json!(at),
        }
    }
}

/// What there is to look at in a set of files, and Cedar's schema of it.
pub(crate) struct Vocabulary {
    leaves: Vec<Leaf>,
    groups: BTreeSet<String>,
    validator: Option<Validator>,
}

impl Vocabulary {
    /// `named` are the leaves that depend on the files: attributes, labels, hours, schedules.
    pub(crate) fn new(named: impl IntoIterator<Item = Leaf>, groups: BTreeSet<String>) -> Self {
        use Leaf::{
            Approved, Denied, Emergencies, Emergency, Groups, Kind, Minutes, Name, Now, OnBehalf, Proof, Resource, ResourceKind, Role,
            Ticket,
        };
        let fixed = [
            Name,
            Kind,
            Groups,
            Resource,
            ResourceKind,
            Role,
            Minutes,
            Ticket,
            Emergency,
            OnBehalf,
            Proof,
            Now,
            Approved,
            Denied,
            Emergencies,
        ];
        let leaves: Vec<Leaf> = fixed.into_iter().chain(named).collect();
        let validator = Schema::from_json_value(schema(&leaves)).ok().map(Validator::new);
        Self { leaves, groups, validator }
    }

    /// Reads a condition and checks it.
    pub(crate) fn condition(&self, text: &str) -> Result<Condition, Wrong> {
        let wrong = |at, message: String, help| Wrong { at, message, help };
        if text.len() > LONGEST {
            return Err(wrong(0, format!("a condition has {LONGEST} bytes at the most"), None));
        }
        if nesting(text) > 64 {
            return Err(wrong(0, "a condition is nested 64 deep at the most".into(), None));
        }
        // As an expression first: what closes the policy that is put around it is none.
        let expression: Expression = text.parse().map_err(|errors: cedar_policy::ParseErrors| self.parse_error(text, &errors))?;
        let (before, after) = ("permit(principal, action, resource) when {\n", "\n};");
        let policy = Policy::parse(Some(PolicyId::new("condition")), format!("{before}{text}{after}"));
        let policy = policy.map_err(|errors| self.parse_error(text, &errors))?;
        let mut looks = Looks::default();
        looks.walk(&policy.to_json().map_err(|e| wrong(0, e.to_string(), None))?);
        if let Some(group) = looks.groups.iter().find(|g| !self.groups.contains(*g)) {
            let help = near(group, self.groups.iter().map(String::as_str));
            return Err(wrong(text.find(group.as_str()).unwrap_or(0), format!("there is no group '{}'", group.escape_debug()), help));
        }
        let Some(validator) = &self.validator else { return Err(wrong(0, "conditions can't be checked here".into(), None)) };
        let mut set = PolicySet::new();
        set.add(policy).map_err(|e| wrong(0, e.to_string(), None))?;
        let checked = validator.validate(&set, ValidationMode::Strict);
        if let Some(error) = checked.validation_errors().next() {
            let message = error.to_string();
            let message = message.split_once("`condition`, ").map_or(message.as_str(), |(_, rest)| rest);
            let message = message
                .replace(" in context for Action::\"request\"", "")
                .replace("unable to find an applicable action given the policy scope constraints", "it fits no request");
            let help = self.bracket(text).or_else(|| error.help().map(|h| h.to_string()));
            return Err(wrong(label(error).saturating_sub(before.len()).min(text.len()), message, help));
        }
        let never = checked.validation_warnings().any(|w| w.to_string().contains("impossible"));
        let looks = self.leaves.iter().filter(|leaf| looks.reads.iter().any(|read| leaf.is_under(read))).cloned().collect();
        Ok(Condition { text: text.trim().to_owned(), expression, looks, never })
    }

    fn parse_error(&self, text: &str, errors: &cedar_policy::ParseErrors) -> Wrong {
        let first = errors.iter().next();
        let at = first.map_or(0, |e| label(e));
        let help = self.bracket(text).or_else(|| first.and_then(|e| e.help().map(|h| h.to_string())));
        let message = first.map_or_else(|| errors.to_string(), ToString::to_string);
        Wrong { at, message: format!("not a Cedar expression: {message}"), help }
    }

    /// `context.hours.night-shift` is a subtraction to Cedar.
    fn bracket(&self, text: &str) -> Option<String> {
        let odd = self.leaves.iter().find(|leaf| {
            let (.., name) = leaf.path();
            name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') && text.contains(&format!(".{name}"))
        });
        odd.map(|leaf| format!("write {leaf}"))
    }
}

/// How deep brackets and signs are nested, at the most that it could be.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut signs) = (0_usize, 0, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'!' | b'-' => signs += 1,
            other if other.is_ascii_whitespace() => {}
            _ => signs = 0,
        }
        deepest = deepest.max(depth + signs);
    }
    deepest
}

/// From which byte on something is wrong.
fn label(error: &dyn Diagnostic) -> usize {
    error.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset())
}

fn schema(leaves: &[Leaf]) -> Json {
    let record = |attributes: serde_json::Map<String, Json>| json!({ "type": "Record", "attributes": attributes });
    let shape = |wanted: &str, records: &[&str]| {
        let (mut attributes, mut inner) = (serde_json::Map::new(), BTreeMap::<&str, serde_json::Map<String, Json>>::new());
        records.iter().for_each(|name| drop(inner.insert(name, serde_json::Map::new())));
        for leaf in leaves {
            let (variable, within, attribute) = leaf.path();
            if variable == wanted {
                let of = within.and_then(|within| inner.get_mut(within)).unwrap_or(&mut attributes);
                of.insert(attribute.to_owned(), leaf.schema());
            }
        }
        attributes.extend(inner.into_iter().map(|(name, inner)| (name.to_owned(), record(inner))));
        record(attributes)
    };
    json!({ "": {
        "entityTypes": {
            "Principal": { "shape": shape("principal", &["attributes"]) },
            "Resource": { "shape": shape("resource", &["labels"]) },
        },
        "actions": { "request": { "appliesTo": {
            "principalTypes": ["Principal"], "resourceTypes": ["Resource"], "context": shape("context", &["hours", "on_call", "history"]),
        } } },
    } })
}

/// What an expression looks at, from Cedar's JSON of it.
#[derive(Default)]
struct Looks {
    reads: BTreeSet<Vec<String>>,
    /// Names that are looked for among the principal's groups.
    groups: BTreeSet<String>,
}

impl Looks {
    fn walk(&mut self, expression: &Json) {
        if let Some(path) = path(expression) {
            self.reads.insert(path);
            return;
        }
        match expression {
            Json::Object(map) => {
                for (operator, inner) in map {
                    if operator.starts_with("contains") && inner.get("left").and_then(path).is_some_and(|p| p == ["principal", "groups"]) {
                        self.groups.extend(inner.get("right").into_iter().flat_map(texts));
                    }
                    self.walk(inner);
                }
            }
            Json::Array(all) => all.iter().for_each(|inner| self.walk(inner)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
}

/// `context.hours.office` and the like: a chain of attributes from a variable on.
fn path(expression: &Json) -> Option<Vec<String>> {
    if let Some(variable) = expression.get("Var").and_then(Json::as_str) {
        return Some(vec![variable.to_owned()]);
    }
    let step = expression.get(".").or_else(|| expression.get("has"))?;
    let mut path = path(step.get("left")?)?;
    path.push(step.get("attr")?.as_str()?.to_owned());
    Some(path)
}

fn texts(expression: &Json) -> Vec<String> {
    let value = expression.get("Value").and_then(Json::as_str).map(str::to_owned);
    let set = expression.get("Set").and_then(Json::as_array);
    value.into_iter().chain(set.into_iter().flatten().flat_map(texts)).collect()
}

static PRINCIPAL: LazyLock<Option<EntityTypeName>> = LazyLock::new(|| "Principal".parse().ok());
static RESOURCE: LazyLock<Option<EntityTypeName>> = LazyLock::new(|| "Resource".parse().ok());
static REQUEST: LazyLock<Option<EntityUid>> = LazyLock::new(|| "Action::\"request\"".parse().ok());

impl Condition {
    /// As it stands in the file.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it can never be true.
    pub(crate) fn is_never(&self) -> bool {
        self.never
    }

    /// What it looks at.
    pub(crate) fn looks(&self) -> &[Leaf] {
        &self.looks
    }

    /// Whether it holds; `None` when it can't be said, or looks at what is not in `values`: the caller fails closed.
    pub(crate) fn holds(&self, values: &Values) -> Option<bool> {
        match cedar_policy::eval_expression(&values.request, &values.entities, &self.expression) {
            Ok(EvalResult::Bool(holds)) => Some(holds),
            Ok(
                EvalResult::Long(_)
                | EvalResult::String(_)
                | EvalResult::EntityUid(_)
                | EvalResult::Set(_)
                | EvalResult::Record(_)
                | EvalResult::ExtensionValue(_),
            )
            | Err(_) => None,
        }
    }
}

/// Values that conditions look at, as Cedar takes them.
pub(crate) struct Values {
    request: Request,
    entities: Entities,
}

impl Values {
    /// The values of `leaves`; `None` when Cedar can't take them.
    pub(crate) fn of<'l>(leaves: impl IntoIterator<Item = &'l Leaf>, value: &dyn Fn(&Leaf) -> Value) -> Option<Self> {
        let mut variables: BTreeMap<&str, BTreeMap<String, RestrictedExpression>> = BTreeMap::new();
        let mut records: BTreeMap<(&str, &str), BTreeMap<String, RestrictedExpression>> = BTreeMap::new();
        for leaf in leaves {
            let (variable, record, attribute) = leaf.path();
            let of = match record {
                Some(record) => records.entry((variable, record)).or_default(),
                None => variables.entry(variable).or_default(),
            };
            if !of.contains_key(attribute) {
                of.insert(attribute.to_owned(), value(leaf).expression());
            }
        }
        for ((variable, record), inner) in records {
            let inner = RestrictedExpression::new_record(inner).ok()?;
            variables.entry(variable).or_default().insert(record.to_owned(), inner);
        }
        let uid = |of: &Option<EntityTypeName>, name: &Leaf| match value(name) {
            Value::Text(name) => Some(EntityUid::from_type_name_and_id(of.clone()?, EntityId::new(name))),
            Value::Texts(_) | Value::Flag(_) | Value::Number(_) | Value::Instant(_) => None,
        };
        let (principal, resource) = (uid(&PRINCIPAL, &Leaf::Name)?, uid(&RESOURCE, &Leaf::Resource)?);
        let mut entity = |uid: &EntityUid, variable: &str| {
            Entity::new(uid.clone(), variables.remove(variable).unwrap_or_default().into_iter().collect(), HashSet::new()).ok()
        };
        let entities = [entity(&principal, "principal")?, entity(&resource, "resource")?];
        let entities = Entities::from_entities(entities, None).ok()?;
        let context = Context::from_pairs(variables.remove("context").unwrap_or_default()).ok()?;
        let request = Request::new(principal, REQUEST.clone()?, resource, context, None).ok()?;
        Some(Self { request, entities })
    }
}
