//! What people ask for, with the command line and a clock that the test sets: several things at once, what was approved beforehand, what
//! rules decide by themselves.

use serde_json::{Value, json};

use crate::play::{Entry, Play};

const FILES: &str = r#"
[[resource]]
name = "orders-db"
kind = "postgres"
owners = ["group:orders"]
host = "orders.db.internal"
database = "orders"
tls = "system"
admin = { user = "ajar_admin", password = { env = "NONE" } }
roles.read.member_of = ["r"]
roles.fix.member_of = ["w"]
[[resource]]
name = "carts-db"
kind = "postgres"
owners = ["group:orders"]
host = "carts.db.internal"
database = "carts"
tls = "system"
admin = { user = "ajar_admin", password = { env = "NONE" } }
roles.read.member_of = ["r"]
[[resource]]
name = "bills-db"
kind = "postgres"
owners = ["user:joe", "user:ada"]
host = "bills.db.internal"
database = "bills"
tls = "system"
admin = { user = "ajar_admin", password = { env = "NONE" } }
roles.read.member_of = ["r"]

[[user]]
name = "dev"
[[user]]
name = "dev-admin"
same_person_as = ["dev"]
[[user]]
name = "ada"
[[user]]
name = "grace"
[[user]]
name = "joe"
[[user]]
name = "stranger"
[[user]]
name = "ops"
may = ["operate"]
[[group]]
name = "engineers"
members = ["dev", "dev-admin"]
[[group]]
name = "orders"
members = ["ada", "grace", "dev-admin"]

[[hours]]
name = "office"
zone = "Europe/Berlin"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "09:00"
to = "17:00"

[[rule]]
name = "engineers-read"
who = ["group:engineers"]
resources = ["orders-db", "carts-db", "bills-db"]
roles = ["read"]
default = "30m"
max = "2h"
approve = { from = ["owners"], within = "1h" }
[[rule]]
name = "engineers-fix"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["fix"]
max = "1h"
bundle = "apart"
approve = { from = ["owners"], needed = 2 }
[[rule]]
name = "no-fix-at-night"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["fix"]
deny = true
when = "!context.hours.office"
"#;

const NOON: &str = "2026-03-02T12:00[Europe/Berlin]";

fn asked(request: &Value) -> Vec<&str> {
    request["asks"].as_array().unwrap().iter().map(|ask| ask["resource"].as_str().unwrap()).collect()
}

#[test]
fn i03_several_things_are_decided_together_only_by_who_owns_them_all() {
    let play = Play::begins(NOON, FILES);
    let line = "dev$ ajar request orders-db --role read --also carts-db/read --also bills-db --also orders-db/fix --reason \"INC-7\"";
    let filed = play.types(line).is("pending");
    assert_eq!(asked(&filed), ["orders-db", "carts-db"], "the same people own these");
    assert_eq!(filed["asked"], json!(["ada", "grace"]));
    let apart: Vec<_> = filed["apart"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let apart: Vec<Value> = apart.iter().map(|id| play.ajar("dev", &["requests", id]).ok()).collect();
    assert_eq!(apart.iter().map(asked).collect::<Vec<_>>(), [vec!["bills-db"], vec!["orders-db"]], "others own it; a rule says so");
    assert_eq!(apart[0]["asked"], json!(["ada", "joe"]));

    // One approve opens both of the first, and nothing of the others.
    let id = filed["id"].as_str().unwrap();
    let approved = play.ajar("ada", &["approve", id]).is("approved");
    assert_eq!(approved["grants"].as_array().unwrap().len(), 2);
    play.leaves(play.enters("dev$ ajar psql carts-db --role read"));
    assert!(matches!(play.knocks("dev$ ajar psql bills-db --role read"), Entry::Held(_)));
    // Less of it can be left, as of any request.
    play.types("dev$ ajar request orders-db --role read --also carts-db --for 1h").is("pending");
    let one = play.types("grace$ ajar approve req_… --only carts-db/read").is("approved");
    assert_eq!(one["grants"].as_array().unwrap().len(), 1);
    assert_eq!(one["grants"][0]["resource"], "carts-db");
    // What can't be asked for keeps the rest from being filed.
    let before = play.ajar("dev", &["requests"]).ok().as_array().unwrap().len();
    play.types("dev$ ajar request orders-db --role read --also nothing-db").fails(7, "there is no such resource");
    play.types("dev$ ajar request orders-db --role read --also carts-db --for 3h").fails(7, "3h is too long");
    assert_eq!(play.ajar("dev", &["requests"]).ok().as_array().unwrap().len(), before);
}

#[test]
fn i05_what_a_rule_denies_is_on_record_with_what_it_saw() {
    let play = Play::begins("2026-03-02T22:00[Europe/Berlin]", FILES);
    let told = play.reads("dev$ ajar policy explain orders-db --role fix");
    assert!(told.contains("denied by a rule") && told.contains("context.hours.office is false"), "{told}");
    play.types("dev$ ajar request orders-db --role fix --reason \"INC-7\"").fails(3, "was denied");
    let id = play.last("req_");
    let denied = play.ajar("dev", &["requests", &id]).ok();
    assert_eq!((&denied["state"], &denied["denied_because"]), (&json!("denied"), &json!("automatic")));
    let auto = &denied["automatic"];
    assert_eq!((&auto["verdict"], &auto["rules"]), (&json!("deny"), &json!(["no-fix-at-night"])));
    assert_eq!(auto["values"], json!({ "orders-db/fix": { "context.hours.office": false } }));
    play.ajar("ada", &["approve", &id]).fails(3, "denied");
    // A client that would have been held is told at once.
    let Entry::Held(again) = play.knocks("dev$ ajar psql orders-db --role fix") else { panic!("it is not told of a request") };
    assert_eq!(play.ajar("dev", &["requests", &again]).is("denied")["denied_because"], "automatic");
    // For tomorrow at ten it can be asked for; and what was denied counts as such.
    let told = play.reads("dev$ ajar policy explain orders-db --role fix --at 2026-03-03T10:00:00+01:00");
    assert!(told.contains("waits for a decision"), "{told}");
    play.types("dev$ ajar request orders-db --role fix --at 2026-03-03T10:00:00+01:00").is("pending");
    play.ajar("ada", &["approve", &play.last("req_")]).is("pending");
    play.ajar("grace", &["approve", &play.last("req_")]).is("approved");
    play.go_to("2026-03-03T10:00[Europe/Berlin]");
    play.leaves(play.enters("dev$ ajar psql orders-db --role fix"));
}

#[test]
fn i06_a_rule_with_a_condition_is_asked_again_at_the_review() {
    let play = Play::begins("2026-03-02T16:50[Europe/Berlin]", FILES);
    play.types("dev$ ajar request orders-db --role fix").is("pending");
    let id = play.last("req_");
    play.ajar("ada", &["approve", &id]).is("pending");
    play.go_to("2026-03-02T17:00[Europe/Berlin]");
    // The second approve comes in the evening, when a rule denies it.
    let denied = play.ajar("grace", &["approve", &id]).is("denied");
    assert_eq!(denied["denied_because"], "rules");
}

#[test]
fn i03_an_approve_given_beforehand_is_one_of_those_that_are_needed() {
    let play = Play::begins(NOON, FILES);
    play.types("stranger$ ajar preapprove dev orders-db --for 12h").fails(7, "no rule would ask you");
    play.types("joe$ ajar preapprove dev orders-db --for 12h").fails(7, "no rule would ask you");
    play.types("joe$ ajar preapprove nobody bills-db --for 12h").fails(7, "no rule would ask you");
    play.types("dev-admin$ ajar preapprove dev orders-db --for 12h").fails(3, "linked accounts count as one person");
    play.types("ada$ ajar preapprove dev orders-db --for 8d").fails(3, "7 days ahead");
    let given = play.types("ada$ ajar preapprove dev orders-db --for 12h --most 1h --note \"tonight\"").ok();
    assert_eq!(play.types("dev$ ajar preapprovals").ok()[0]["note"], "tonight");
    assert_eq!(play.types("stranger$ ajar preapprovals").ok(), json!([]));

    // Nobody needs to be asked for what one approve opens; for two, one is there already.
    let opened = play.types("dev$ ajar request orders-db --role read").is("approved");
    assert_eq!((&opened["reviews"][0]["reviewer"], &opened["reviews"][0]["beforehand"]), (&json!("ada"), &given[0]["id"]));
    play.leaves(play.enters("dev$ ajar psql orders-db --role read"));
    let two = play.types("dev$ ajar request orders-db --role fix").is("pending");
    assert_eq!(two["asked"], json!(["grace"]));
    let shown = play.reads(&format!("grace$ ajar requests {}", two["id"].as_str().unwrap()));
    assert!(shown.contains("ada approve beforehand"), "{shown}");
    play.ajar("grace", &["approve", two["id"].as_str().unwrap()]).is("approved");
    // Not for longer, nor for anything else; and not when it was ended.
    play.types("dev$ ajar request orders-db --role read --for 2h").is("pending");
    play.types("dev$ ajar withdraw req_…").ok();
    play.types("dev$ ajar request bills-db --role read").is("pending");
    let id = given[0]["id"].as_str().unwrap();
    play.ajar("dev", &["unpreapprove", id]).fails(7, "there is no pre-approval");
    play.ajar("ada", &["unpreapprove", id]).ok();
    play.types("dev$ ajar request orders-db --role read --for 1h").is("pending");
}

#[test]
fn i08_a_request_waits_as_long_as_its_stages_may_take() {
    let slow = FILES
        .replace("from = [\"owners\"], within = \"1h\"", "from = [\"owners\"], within = \"2d\", otherwise = { escalate = [\"user:joe\"] }");
    let play = Play::begins(NOON, &slow);
    let filed = play.types("dev$ ajar request orders-db --role read").is("pending");
    assert!(filed["expires_at"].as_str().unwrap().starts_with("2026-03-06T11:00"), "{filed}");
    play.go_to("2026-03-04T12:00[Europe/Berlin]");
    assert_eq!(play.types("dev$ ajar requests req_…").is("pending")["asked"], json!(["ada", "grace", "joe"]));
    play.types("joe$ ajar approve req_…").is("approved");
}

#[test]
fn a16_i18_who_approves_sees_the_scope_and_it_is_sealed_with_the_request() {
    let scoped = FILES.replace("name = \"engineers-read\"", "name = \"engineers-read\"\nscope = { pattern = \"^order [0-9]+$\" }");
    let play = Play::begins(NOON, &scoped);
    play.types("dev$ ajar request orders-db --role read --scope everything").fails(7, "a scope that fits ^order [0-9]+$ is needed");
    play.types("dev$ ajar request orders-db --role read --scope \"order 4711\"").is("pending");
    let id = play.last("req_");
    assert_eq!(play.ajar("ada", &["requests", &id]).ok()["scope"], "order 4711");
    play.ajar("ada", &["approve", &id]).is("approved");
    // Asked again, the same is asked again; and the ledger holds no text of it in clear.
    let again = play.ajar("dev", &["request", "--again", &id]).is("pending");
    assert_eq!(again["scope"], "order 4711");
    let events = play.ajar("ops", &["ledger", "search", "--kind", "request."]).ok();
    let events = events.as_str().unwrap();
    assert!(events.contains("\"scope\":\"c1_") && !events.contains("order 4711"), "{events}");
}
