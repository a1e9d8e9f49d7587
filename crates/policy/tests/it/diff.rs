//! What differs between two sets of files, in words.

use ajar_policy::{How, content_hash, diff};

use crate::{BASE, READ, files, good};

fn between(was: &[&str], is: &[&str]) -> Vec<String> {
    diff(&good(was), &good(is)).iter().map(ToString::to_string).collect()
}

#[test]
fn each_change_is_one_line_that_names_the_keys() {
    let base = BASE
        .replace("members = [\"dev\", \"peer\", \"ci\"]", "members = [\"dev\", \"boss\", \"ci\"]")
        .replace("name = \"dev\"\nmanager = \"boss\"", "name = \"dev\"\nmanager = \"peer\"")
        .replace("env = \"test\"", "env = \"prod\", team = \"users\"")
        .replace("member_of = [\"users_read\"]", "member_of = [\"users_read\"]\nconnection_limit = 3");
    let rule = READ
        .replace("\"4h\"", "\"2h\"")
        .replace("roles = [\"read\"]", "roles = [\"read\", \"write\"]")
        .replace("from = [\"owners\"]", "from = [\"owners\", \"manager\"], needed = 2, within = \"1h\"");
    let more = "[[rule]]\nname = \"ci-reads\"\nwho = [\"user:ci\"]\nresources = [\"users-db\"]\nroles = [\"read\"]\napprove = \"auto\"\n\
                [[user]]\nname = \"grace\"\n";
    let told = between(&[BASE, READ], &[&base, &rule, more]);
    assert_eq!(
        told,
        [
            "~ resource users-db: labels + env=prod, + team=users, - env=test; role read member of users_read → member of users_read, connection limit 3",
            "+ rule ci-reads",
            "~ rule engineers-read-orders: approve 1 of owners within 30m, otherwise deny → 2 of owners or manager within 1h, otherwise deny; max 4h → 2h; roles + write",
            "~ group engineers: + boss, - peer",
            "~ user dev: manager boss → peer",
            "+ user grace",
        ]
    );
}

#[test]
fn a_rule_that_becomes_one_of_low_risk_says_so() {
    let low = READ.replace("max = \"4h\"", "max = \"4h\"\nlow_risk = true");
    assert_eq!(between(&[BASE, READ], &[BASE, &low]), ["~ rule engineers-read-orders: low_risk + true"]);
    assert_eq!(between(&[BASE, &low], &[BASE, READ]), ["~ rule engineers-read-orders: low_risk - true"]);
}

#[test]
fn what_is_new_one_way_is_gone_the_other_way() {
    let rules = good(&[BASE, READ]);
    let fewer = good(&[BASE]);
    assert_eq!(between(&[BASE, READ], &[BASE]), ["- rule engineers-read-orders"]);
    assert_eq!(between(&[BASE], &[BASE, READ]), ["+ rule engineers-read-orders"]);
    assert!(matches!(diff(&fewer, &rules).first().map(|change| &change.how), Some(How::Added)));
}

#[test]
fn comments_order_and_files_make_no_difference_to_the_meaning_but_to_the_hash() {
    let commented = format!("# Who reads.\n{READ}");
    assert_eq!(between(&[BASE, READ], &[&commented, BASE]), Vec::<String>::new());
    assert_ne!(content_hash(&files(&[BASE, READ])), content_hash(&files(&[&commented, BASE])));
    assert_eq!(content_hash(&files(&[BASE, READ])), good(&[BASE, READ]).hash());
}

#[test]
fn a_person_who_becomes_a_workload_and_a_rule_that_becomes_a_ban_say_so() {
    let base = BASE.replace("[[user]]\nname = \"gone\"\ndisabled = true", "[[workload]]\nname = \"gone\"");
    let ban = "[[rule]]\nname = \"engineers-read-orders\"\nwho = [\"group:engineers\"]\nresources = [\"orders-db\"]\nroles = [\"read\"]\ndeny = true\n";
    let told = between(&[BASE, READ], &[&base, ban]);
    assert_eq!(told[1], "~ workload gone: disabled - true; kind user → workload");
    assert!(told[0].contains("effect allow → deny"), "{told:?}");
}

#[test]
fn a_long_list_is_shortened() {
    let many: Vec<String> = (0..20).map(|n| format!("[[user]]\nname = \"p{n}\"")).collect();
    let members: Vec<String> = (0..20).map(|n| format!("\"p{n}\"")).collect();
    let group = |members: &str| format!("{}\n[[group]]\nname = \"all\"\nmembers = [{members}]", many.join("\n"));
    let told = between(&[BASE, &group("")], &[BASE, &group(&members.join(", "))]);
    assert_eq!(told, ["~ group all: + p0, + p1, + p10, + p11, + p12, + p13, + 14 more"]);
}
