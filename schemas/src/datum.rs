//! The types by which Avro's library writes and reads an event's datum. Setting one up costs more than a thousand
//! events.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;

/// Writes the datums of one schema, with its names resolved beforehand.
pub(crate) type Writer = GenericDatumWriter<'static>;
/// Reads the datums of one schema, with its names resolved beforehand.
pub(crate) type Reader = GenericDatumReader<'static>;

/// The writer and the reader of a released schema.
pub(crate) fn of(schema: &'static Schema) -> (Writer, Reader) {
    let writer = Writer::builder(schema).human_readable(false).build();
    let reader = Reader::builder(schema).human_readable(false).build();
    (writer.expect("released schemas resolve"), reader.expect("released schemas resolve"))
}
