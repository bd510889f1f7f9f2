//! Readers and oracle of Prometheus' formats, as the crate's own tests have them.

#[path = "../../tests/exposition/fields.rs"]
pub mod fields;
#[path = "../../tests/exposition/metrics.rs"]
pub mod metrics;
#[path = "../../tests/exposition/oracle.rs"]
pub mod oracle;
#[path = "../../tests/exposition/protobuf.rs"]
pub mod protobuf;
#[path = "../../tests/exposition/reading.rs"]
pub mod reading;
#[path = "../../tests/exposition/text.rs"]
pub mod text;
