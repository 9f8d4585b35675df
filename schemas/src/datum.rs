//! How Avro's library writes and reads the datum of an event: set up once a schema.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;

/// Writes events of one schema.
pub(crate) type Writer = GenericDatumWriter<'static>;
/// Reads events of one schema.
pub(crate) type Reader = GenericDatumReader<'static>;
