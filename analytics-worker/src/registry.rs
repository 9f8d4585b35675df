//! How values are written: with a schema registry, schemas are registered before the first of them.

use runtime::Common;
use runtime::server::Readiness;
use schemas::codec::Framing;

/// Waits for a registry that does not answer; `Err` is what it refuses.
pub(crate) async fn framing(common: &Common, readiness: &Readiness) -> Result<Framing, String> {
    if common.schema_registry_url.is_empty() {
        return Ok(Framing::SingleObject);
    }
    let schemas = schemas::registry::subjects(&common.topic_prefix);
    let ids = runtime::registry::register(&common.schema_registry_url, &schemas, readiness).await?;
    Ok(Framing::confluent(&ids))
}
