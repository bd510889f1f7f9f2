//! Any sequence of operations leaves in a snapshot, and in the difference of two, what a plain model
//! says; registries come and go, and handles may outlive them.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use quipu::Registry;
use quipu_fuzz::{Handles, Model, Record};
use std::thread;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Operation {
    Record(Record),
    RecordOnAnotherThread(Record),
    RecordOnOutlivingHandle(Record),
    Snapshot,
    NewRegistry,
}

fuzz_target!(|operations: Vec<Operation>| {
    let mut registry = Registry::new();
    let mut handles = Handles::register(&registry);
    let mut outliving = Handles::register(&Registry::new());
    let mut earlier = registry.snapshot();
    let (mut ever, mut since) = (Model::default(), Model::default());
    for operation in operations.into_iter().chain([Operation::Snapshot]) {
        match operation {
            Operation::Record(record) => handles.record(record),
            Operation::RecordOnAnotherThread(record) => {
                thread::scope(|scope| scope.spawn(|| handles.record(record)).join()).unwrap();
            }
            Operation::RecordOnOutlivingHandle(record) => outliving.record(record),
            Operation::Snapshot => {
                let later = registry.snapshot();
                ever.check(&later, &ever);
                since.check(&later.delta(&earlier), &ever);
                since = since.next_interval();
                earlier = later;
            }
            Operation::NewRegistry => {
                registry = Registry::new();
                // The slots of the handles before last are free now, and zero when they are reused.
                outliving = std::mem::replace(&mut handles, Handles::register(&registry));
                earlier = registry.snapshot();
                (ever, since) = Default::default();
            }
        }
        if let Operation::Record(record) | Operation::RecordOnAnotherThread(record) = operation {
            ever.record(record);
            since.record(record);
        }
    }
});
