//! The checks of the deployment's secrets stand in the log. The first replica of a new log declares them, and a replica that
//! brings a master key with a new number declares that too.

use runtime::kafka::{Cluster, Ends};
use runtime::vault::{OtherSecrets, Vault};
use schemas::codec::Framing;

use super::declaration::{Declaration, DeclarationError};
use super::directory::Directory;

/// Fails where the log was written with other secrets than the vault's. What the log does not know of them is declared.
pub fn agree(
    cluster: &Cluster,
    prefix: &str,
    directory: &Directory,
    ends: &Ends,
    framing: &Framing,
    vault: &Vault,
) -> Result<(), DeclarationError> {
    if vault.to_declare(directory.secrets().as_ref())?.is_none() {
        return Ok(());
    }
    // Another replica may have declared its secrets meanwhile, and they may be other ones.
    let mut declaration = Declaration::begin(cluster, prefix, framing)?;
    if let Some(secrets) = vault.to_declare(directory.secrets_now(ends)?.as_ref())? {
        let numbers: Vec<_> = secrets.masters.iter().map(|master| master.number).collect();
        declaration.declare(secrets)?;
        tracing::info!(vault.masters = ?numbers, "the deployment's secrets are declared");
    }
    Ok(())
}

impl From<OtherSecrets> for DeclarationError {
    fn from(other: OtherSecrets) -> Self {
        Self::Refused(other.to_string())
    }
}
