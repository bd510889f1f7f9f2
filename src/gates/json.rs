//! Verdicts as JSON, for whoever plots them.

use super::verdict::{Bound, Obstacle, Unit, Verdict};
use crate::export::Object;

/// A document: `{"bench":"hot_path","gates":[{..},..]}`.
pub(super) fn document(bench: &str, verdicts: &[Verdict]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut document = Object::begin(&mut text);
    document.string("bench", bench);
    let mut gates = Vec::new();
    for (at, verdict) in verdicts.iter().enumerate() {
        gates.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        push(&mut gates, verdict);
    }
    document.raw("gates", &format!("[{}\n]", String::from_utf8_lossy(&gates)));
    document.end().push(b'\n');
    text
}

fn push(text: &mut Vec<u8>, verdict: &Verdict) {
    let (is_exact, bound) = match verdict.bound {
        Bound::AtMost(bound) => (false, bound),
        Bound::Exactly(bound) => (true, bound),
    };
    let mut object = Object::begin(text);
    object.string("name", &verdict.gate);
    object.string("kind", verdict.kind);
    object.string("outcome", &verdict.outcome().to_string().to_lowercase());
    object.string(
        "unit",
        match verdict.unit {
            Unit::Times => "ratio",
            Unit::Nanoseconds => "ns",
            Unit::Instructions => "instructions",
        },
    );
    object.raw("measured", &number(verdict.measured));
    object.raw(if is_exact { "exactly" } else { "at_most" }, &number(bound));
    object.raw("reference", &number(verdict.reference));
    object.raw("operation", &number(verdict.operation));
    if let Some(Obstacle::Doubt(why) | Obstacle::Missing(why)) = &verdict.obstacle {
        object.string("why", why);
    }
    if let Some(note) = &verdict.note {
        object.string("note", note);
    }
    object.end();
}

/// JSON has no number for what was not measured.
fn number(number: f64) -> String {
    if number.is_finite() { format!("{number}") } else { "null".to_owned() }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn each_verdict_is_an_object() {
        let ratio = Verdict {
            gate: "handler \"a\"".to_owned(),
            kind: "ratio",
            reference: 10.0,
            operation: 12.5,
            measured: 1.25,
            bound: Bound::AtMost(1.5),
            unit: Unit::Times,
            obstacle: None,
            note: None,
            look: String::new(),
        };
        let bound = (Bound::Exactly(5.0), Unit::Instructions);
        let missing = Obstacle::Missing("no valgrind".to_owned());
        let skipped = Verdict {
            note: Some("5 with rustc 1.95".to_owned()),
            ..Verdict::of_none("add", "instructions", bound, missing)
        };
        let document = document("hot_path", &[ratio, skipped]);
        let read: Value = serde_json::from_slice(&document).unwrap();
        let expected = json!({
            "bench": "hot_path",
            "gates": [
                {
                    "name": "handler \"a\"", "kind": "ratio", "outcome": "held", "unit": "ratio",
                    "measured": 1.25, "at_most": 1.5, "reference": 10, "operation": 12.5,
                },
                {
                    "name": "add", "kind": "instructions", "outcome": "skipped",
                    "unit": "instructions", "measured": null, "exactly": 5, "reference": null,
                    "operation": null, "why": "no valgrind", "note": "5 with rustc 1.95",
                },
            ],
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn without_gates_the_document_is_valid() {
        let read: Value = serde_json::from_slice(&document("hot_path", &[])).unwrap();
        assert_eq!(read, json!({"bench": "hot_path", "gates": []}));
    }
}
