//! Accounts and customers: registrations and logins, whose passwords take a slow hash each, and customers, who are sealed
//! and have a key each, beside receipts, which stand in the clear.

use std::sync::Arc;

use super::blast::{Requests, id_placeholder};
use super::control;
use super::kinds::{self, Kind};
use super::plan::Plan;
use super::report::Section;
use super::services::Deployment;
use super::stack::Stack;
use crate::failure::Result;

/// Measures each kind at each number of connections, in alternating rounds.
///
/// # Errors
/// When the service does not start, or any request of a round was refused.
pub fn measure(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let deployment = Deployment::new(stack, "bench-people", &plan.settings)?;
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    let address = command_api.address;
    let (admin, terminal) = (control::login(address, "admin")?, control::terminal(address)?);
    let id = id_placeholder();
    let sent = |path, token: &str, body: String| Arc::new(Requests::of_template(path, token, &body));
    let login = format!(r#"{{"username":"terminal","password":"terminal","note":"{id}"}}"#);
    let kinds = [
        Kind {
            name: "`POST /v1/auth/register`",
            requests: sent(
                "/v1/auth/register",
                "",
                format!(r#"{{"username":"{id}","password":"correct horse"}}"#),
            ),
            hoped_for: 201,
            connections: &[1, 8],
        },
        Kind {
            name: "`POST /v1/auth/login`",
            requests: sent("/v1/auth/login", "", login),
            hoped_for: 200,
            connections: &[1, 8],
        },
        Kind {
            name: "`POST /v1/customers`, sealed",
            requests: sent(
                "/v1/customers",
                &admin,
                format!(
                    r#"{{"name":"Ann Ohara","email":"{id}@example.com","address":"Rua do Sol 1, Maceio"}}"#
                ),
            ),
            hoped_for: 201,
            connections: &[1, 64],
        },
        Kind {
            name: "`POST /v1/receipts`, clear",
            requests: Arc::new(Requests::new("/v1/receipts", &terminal, 0)),
            hoped_for: 201,
            connections: &[1, 64],
        },
    ];
    let what = "new names each time, answered after the commit";
    let section = kinds::measure("people", address, &kinds, plan, what)?;
    command_api.stop();
    Ok(vec![section])
}
