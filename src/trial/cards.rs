//! Several devices of one kind, which measure the candidates of one search.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::{Measurer, Receiver, Task};
use super::subjects::Subjects;
use super::threads::{Threads, answer_in_turn, in_order};

/// Measures on several devices; each holds all models and takes the next task when it finishes one.
#[derive(Debug)]
pub struct Cards(Vec<Threads>);

impl Cards {
    /// Takes the models as loaded on each device; after `cancel` is set, no further task starts.
    pub fn new(devices: Vec<Arc<Subjects>>, cancel: &Cancel) -> Self {
        Self(devices.into_iter().map(|subjects| Threads::new(subjects, cancel.clone())).collect())
    }
}

impl Measurer for Cards {
    fn windows_together(&self) -> usize {
        self.0.first().map_or(1, Threads::windows_together)
    }

    fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
        let Self(devices) = self;
        devices.iter().for_each(|device| device.begin(tasks));
        let (sender, receiver) = mpsc::channel();
        let next = AtomicUsize::new(0);
        let received = std::thread::scope(|scope| {
            for device in devices {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || answer_in_turn(device, tasks, next, &sender));
            }
            // Only the worker threads hold a sender, so that the receiver ends with them.
            drop(sender);
            in_order(receiver, receive)
        });
        devices.iter().for_each(Threads::end);
        received
    }
}
