//! The JSON Schema of the files: for editors. The parser is what decides.

use serde_json::{Value, json};

/// The schema (draft 2020-12) of one file.
#[must_use]
pub fn schema() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let span = json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|min|h|d))+$", "examples": ["30m", "4h"] });
    let labels = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let stage = json!({
        "type": "object", "additionalProperties": false, "required": ["from"],
        "properties": {
            "from": texts, "needed": { "type": "integer", "minimum": 1, "maximum": 255 }, "within": span, "asked_only": { "type": "boolean" }, "when": text,
            "otherwise": { "oneOf": [
                { "enum": ["deny", "next"] },
                { "type": "object", "additionalProperties": false, "required": ["escalate"], "properties": { "escalate": { "oneOf": [texts, { "type": "array", "minItems": 1, "items": texts }] } } },
            ] },
        },
    });
    let kinds = [("postgres", postgres(&texts, &labels)), ("http", http(&texts)), ("ssh", ssh())];
    let resource = json!({ "oneOf": kinds.map(|(kind, of_kind)| resource(kind, &of_kind, (&texts, &labels))) });
    let rule = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "who", "resources", "roles"],
        "properties": {
            "name": text, "who": texts, "roles": texts, "max": span, "default": span, "deny": { "type": "boolean" },
            "when": text, "auto_when": text, "bundle": { "enum": ["together", "apart"] }, "on_behalf_by": texts,
            "extend": {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "times": { "type": "integer", "minimum": 0, "maximum": 255 }, "max": span,
                    "approve": { "oneOf": [{ "enum": ["auto"] }, stage] }, "stages": { "type": "array", "minItems": 1, "items": stage },
                },
            },
            "resources": { "oneOf": [
                texts,
                { "type": "object", "additionalProperties": false, "properties": { "labels": labels, "kind": { "enum": ["postgres", "http", "ssh"] } } },
            ] },
            "reason": { "type": "object", "additionalProperties": false, "properties": { "min_length": { "type": "integer", "minimum": 0 }, "pattern": { "type": "string", "format": "regex" } } },
            "ticket": { "type": "object", "additionalProperties": false, "properties": { "pattern": { "type": "string", "format": "regex" } } },
            "scope": { "type": "object", "additionalProperties": false, "properties": { "pattern": { "type": "string", "format": "regex" } } },
            "clock": { "oneOf": [
                { "enum": ["on_approval"] },
                { "type": "object", "additionalProperties": false, "required": ["on_first_use"], "properties": { "on_first_use": span } },
            ] },
            "single_use": { "type": "boolean" }, "low_risk": { "type": "boolean" },
            "break_glass": {
                "type": "object", "additionalProperties": false, "required": ["alert", "review"],
                "properties": {
                    "alert": texts,
                    "review": {
                        "type": "object", "additionalProperties": false, "required": ["from"],
                        "properties": { "from": texts, "needed": { "type": "integer", "minimum": 1, "maximum": 255 }, "within": span },
                    },
                },
            },
            "approve": { "oneOf": [{ "enum": ["auto"] }, stage] },
            "stages": { "type": "array", "minItems": 1, "items": stage },
        },
    });
    let group = json!({ "type": "object", "additionalProperties": false, "required": ["name", "members"], "properties": { "name": text, "members": texts } });
    let user = json!({
        "type": "object", "additionalProperties": false, "required": ["name"],
        "properties": {
            "name": text, "manager": text, "same_person_as": texts, "disabled": { "type": "boolean" },
            "may": { "type": "array", "items": { "enum": ["audit", "operate"] } }, "attributes": labels,
        },
    });
    let workload = json!({ "type": "object", "additionalProperties": false, "required": ["name"], "properties": { "name": text, "disabled": { "type": "boolean" }, "attributes": labels } });
    let days = json!({ "type": "array", "minItems": 1, "items": { "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] } });
    let (time, date) = (json!({ "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$" }), json!({ "type": "string", "format": "date" }));
    let dates = json!({ "type": "array", "items": date });
    let hours = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "zone"],
        "properties": { "name": text, "zone": text, "days": days, "from": time, "to": time, "except": dates },
    });
    let shift = json!({
        "type": "object", "additionalProperties": false, "required": ["zone", "people", "since"],
        "properties": {
            "zone": text, "days": days, "from": time, "to": time, "except": dates, "people": texts, "since": date, "every": span,
        },
    });
    let cover = json!({
        "type": "object", "additionalProperties": false, "required": ["person", "from", "until"],
        "properties": { "person": text, "from": text, "until": text },
    });
    let schedule = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "shift"],
        "properties": { "name": text, "shift": { "type": "array", "minItems": 1, "items": shift }, "cover": { "type": "array", "items": cover } },
    });
    let takes = json!({
        "type": "object", "additionalProperties": false, "minProperties": 1,
        "properties": { "needs": texts, "max": span, "low_risk": { "type": "boolean" }, "can_approve": texts, "cannot_approve": texts },
    });
    let count = json!({ "type": "integer", "minimum": 0 });
    let test = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "who", "resource", "expect"],
        "properties": {
            "name": text, "who": text, "by": text, "resource": text, "role": text, "at": text, "for": span, "reason": text, "ticket": text, "scope": text,
            "emergency": { "type": "boolean" }, "proof": { "enum": ["token", "password", "certificate"] },
            "extension": { "type": "integer", "minimum": 0, "maximum": 255 },
            "history": { "type": "object", "additionalProperties": false, "properties": { "approved": count, "denied": count, "emergencies": count } },
            "expect": { "oneOf": [{ "type": "string", "pattern": "^(auto|refused|emergency|denied by .+)$" }, takes] },
        },
    });
    let list = |items: Value| json!({ "type": "array", "items": items });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ajar: resources, rules and people",
        "type": "object", "additionalProperties": false,
        "properties": {
            "resource": list(resource), "rule": list(rule), "group": list(group), "user": list(user), "workload": list(workload),
            "hours": list(hours), "schedule": list(schedule), "test": list(test),
        },
    })
}

/// What only resources of one kind have.
struct OfKind {
    keys: Value,
    required: &'static [&'static str],
    role: Value,
}

fn resource(kind: &str, of_kind: &OfKind, (texts, labels): (&Value, &Value)) -> Value {
    let text = json!({ "type": "string" });
    let mut keys = json!({
        "name": text, "kind": { "enum": [kind] }, "description": text, "labels": labels, "owners": texts, "default_role": text,
    });
    if let (Some(keys), Some(own)) = (keys.as_object_mut(), of_kind.keys.as_object()) {
        keys.extend(own.clone());
        let mut role = of_kind.role.clone();
        if let Some(properties) = role.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("description".into(), json!({ "type": "string", "examples": ["Look at orders"] }));
        }
        keys.insert("roles".into(), json!({ "type": "object", "minProperties": 1, "additionalProperties": role }));
    }
    let required: Vec<&str> = ["name", "kind"].iter().chain(of_kind.required).chain(&["roles"]).copied().collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": keys })
}

fn postgres(texts: &Value, labels: &Value) -> OfKind {
    let text = json!({ "type": "string" });
    OfKind {
        keys: json!({
            "host": text, "port": { "type": "integer", "minimum": 0, "maximum": 65535 }, "database": text, "tls": tls(),
            "admin": object(&["user", "password"], json!({ "user": text, "password": secret() })),
        }),
        required: &["host", "database", "tls", "admin"],
        role: object(
            &[],
            json!({
                "member_of": texts, "grants": texts, "connection_limit": { "type": "integer", "minimum": 0, "maximum": 65535 }, "settings": labels,
            }),
        ),
    }
}

fn http(texts: &Value) -> OfKind {
    let text = json!({ "type": "string" });
    let credentials = json!({
        "bearer": secret(),
        "header": object(&["name", "value"], json!({ "name": text, "value": secret(), "prefix": text })),
        "basic": object(&["user", "password"], json!({ "user": text, "password": secret() })),
        "certificate": object(&["chain", "key"], json!({ "chain": text, "key": secret() })),
        "oauth2": object(&["token_url", "client_id", "client_secret"], json!({
            "token_url": { "type": "string", "pattern": "^https?://" }, "client_id": text, "client_secret": secret(), "scopes": texts,
        })),
    });
    OfKind {
        keys: json!({
            "upstream": { "type": "string", "pattern": "^https?://", "examples": ["https://api.internal:8443/v2"] },
            "tls": tls(), "hosts": texts,
            "credential": { "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1, "properties": credentials },
            "record": object(&[], json!({
                "headers": { "type": "boolean" }, "bodies": { "type": "integer", "minimum": 0, "maximum": 65536 }, "redact": texts,
            })),
        }),
        required: &["upstream"],
        role: object(
            &["allow"],
            json!({
                "allow": { "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^\\s*(\\*|[A-Z-]+(,[A-Z-]+)*) +/", "examples": ["GET,POST /orders/**"] } },
            }),
        ),
    }
}

fn ssh() -> OfKind {
    let (text, flag) = (json!({ "type": "string" }), json!({ "type": "boolean" }));
    let port = |least: u16| json!({ "type": "integer", "minimum": least, "maximum": 65535 });
    let some = |items: Value| json!({ "type": "array", "minItems": 1, "items": items });
    let (key, password) = (object(&["key"], json!({ "key": secret() })), object(&["password"], json!({ "password": secret() })));
    OfKind {
        keys: json!({
            "host": text, "port": port(1),
            "host_keys": some(json!({ "type": "string", "examples": ["ajar", "ssh-ed25519 AAAA", "cert-authority ssh-ed25519 AAAA"] })),
            "credential": { "oneOf": [{ "enum": ["certificate"] }, key, password] },
            "record": object(&[], json!({
                "input": flag, "output": { "oneOf": [{ "enum": ["all"] }, { "type": "integer", "minimum": 0 }] },
            })),
        }),
        required: &["host"],
        role: object(
            &["logins"],
            json!({
                "logins": some(json!({ "type": "string", "pattern": "^[a-z_][a-z0-9_-]{0,31}\\$?$", "examples": ["deploy"] })),
                "commands": some(json!({ "type": "string", "examples": ["systemctl restart orders"] })),
                "subsystems": { "type": "array", "items": { "type": "string", "examples": ["sftp"] } },
                "env": { "type": "array", "items": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*\\*?$", "examples": ["LANG", "LC_*"] } },
                "forward": { "type": "array", "items": { "type": "string", "pattern": "^/|:[0-9]+$", "examples": ["db.internal:5432", "/run/app.sock"] } },
                "remote_forward": { "type": "array", "items": port(0) },
                "agent": flag, "x11": flag, "direct": flag,
            }),
        ),
    }
}

fn object(required: &[&str], properties: Value) -> Value {
    let mut object = json!({ "type": "object", "additionalProperties": false });
    if let Some(object) = object.as_object_mut() {
        if !required.is_empty() {
            object.insert("required".into(), json!(required));
        }
        object.insert("properties".into(), properties);
    }
    object
}

fn tls() -> Value {
    json!({ "oneOf": [{ "enum": ["system", "off"] }, object(&["verify"], json!({ "verify": { "type": "string" } }))] })
}

fn secret() -> Value {
    let source = |key: &str| object(&[key], json!({ key: { "type": "string" } }));
    json!({ "oneOf": [source("env"), source("file")] })
}
