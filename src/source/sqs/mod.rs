//! SQS: a standard or FIFO queue as source and as destination, over expressway's own client of AWS.

mod address;
mod destination;
mod message;
mod queue;
mod source;

pub use self::{
    address::SqsAddress,
    destination::SqsDestination,
    queue::SqsQueue,
    source::{SqsAcknowledger, SqsSource, SqsSourceSettings},
};
