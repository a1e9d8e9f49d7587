//! The demo's company: its files.

use std::net::SocketAddr;
use std::path::Path;

use ajar_sample::{ADMIN, DATABASE};

/// Who there is. All of them are made up by what they do.
pub(super) const USERS: [&str; 5] = ["dev", "peer", "manager", "operator", "auditor"];

pub(super) const PEOPLE: &str = r#"[[user]]
name = "dev"
manager = "manager"

[[user]]
name = "peer"
manager = "manager"

[[user]]
name = "manager"

[[user]]
name = "operator"
may = ["operate"]

[[user]]
name = "auditor"
may = ["audit"]

[[group]]
name = "engineers"
members = ["dev", "peer"]

# The team that owns orders.
[[group]]
name = "orders"
members = ["peer"]
"#;

pub(super) const RULES: &str = r#"[[rule]]
name = "engineers-read-orders"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["read"]
default = "10m"
max = "4h"
approve = { from = ["owners"], within = "30m" }

[[rule]]
name = "engineers-write-orders"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
default = "10m"
max = "1h"
reason = { min_length = 5 }
approve = { from = ["owners"], within = "30m" }

# Looking at the API is for every engineer at any time; it is recorded all the same.
[[rule]]
name = "engineers-read-the-api"
who = ["group:engineers"]
resources = ["sample-api"]
roles = ["read"]
default = "10m"
max = "4h"
approve = "auto"

[[rule]]
name = "engineers-refund"
who = ["group:engineers"]
resources = ["sample-api"]
roles = ["refund"]
default = "10m"
max = "1h"
reason = { min_length = 5 }
approve = { from = ["owners"], within = "30m" }
"#;

/// Who may get into the host. Looking around takes the same approval as reading the database.
pub(super) const HOST_RULES: &str = r#"
[[rule]]
name = "engineers-look-at-the-host"
who = ["group:engineers"]
resources = ["orders-web-1"]
roles = ["look"]
default = "10m"
max = "4h"
approve = { from = ["owners"], within = "30m" }

# In a terminal, ssh asks for the reason when none was given.
[[rule]]
name = "engineers-deploy"
who = ["group:engineers"]
resources = ["orders-web-1"]
roles = ["deploy"]
default = "10m"
max = "1h"
reason = { min_length = 5 }
approve = { from = ["owners"], within = "30m" }
"#;

/// The name of the SSH host.
pub(super) const HOST: &str = "orders-web-1";

/// The resource, with where the sample runs.
pub(super) fn resources(port: u16, authority: &Path, password_file: &str) -> String {
    format!(
        r#"[[resource]]
name = "orders-db"
kind = "postgres"
description = "Orders and customers"
labels = {{ env = "demo" }}
owners = ["group:orders"]
default_role = "read"
host = "127.0.0.1"
port = {port}
database = "{DATABASE}"
tls = {{ verify = {authority:?} }}
admin = {{ user = "{ADMIN}", password = {{ file = "{password_file}" }} }}

[resource.roles.read]
description = "Look at orders and customers"
member_of = ["orders_read"]

[resource.roles.write]
description = "Look at orders and customers, and change orders"
member_of = ["orders_write"]
"#,
        authority = authority.display().to_string(),
    )
}

/// The API's own host name, by which browsers come: they take it for this machine's.
pub(super) const API_HOST: &str = "sample-api.localhost";

/// The API, with where the sample runs.
pub(super) fn api(url: &str, secret_file: &str) -> String {
    format!(
        r#"
[[resource]]
name = "sample-api"
kind = "http"
description = "Orders, by HTTP"
labels = {{ env = "demo" }}
owners = ["group:orders"]
default_role = "read"
upstream = "{url}"
hosts = ["{API_HOST}"]
credential = {{ bearer = {{ file = "{secret_file}" }} }}

[resource.roles.read]
description = "Look at orders"
allow = ["GET /**"]

[resource.roles.refund]
description = "Look at orders, and pay them back"
allow = ["GET /**", "POST /orders/*/refund"]
"#
    )
}

/// The SSH host, with where it runs and as whom. Who deploys may reach the API from there as well.
pub(super) fn host(port: u16, account: &str, api: SocketAddr) -> String {
    format!(
        r#"
[[resource]]
name = "{HOST}"
kind = "ssh"
description = "This machine, as who runs the demo"
labels = {{ env = "demo" }}
owners = ["group:orders"]
default_role = "look"
host = "127.0.0.1"
port = {port}

[resource.roles.look]
logins = [{account:?}]
subsystems = ["sftp"]
env = ["LANG", "LC_*"]

[resource.roles.deploy]
logins = [{account:?}]
subsystems = ["sftp"]
env = ["LANG", "LC_*"]
forward = ["{api}"]
"#
    )
}
