//! Queues of SQS by their addresses.

use crate::{
    cli::services::{self, ServicesFile},
    model::arn::Home,
    source::sqs::{SqsAddress, SqsQueue},
    task::aws::Aws,
};

/// A queue and how it is reached: checked, not called.
#[derive(Clone)]
pub(super) struct QueuePlace {
    address: SqsAddress,
    aws: Aws,
}

impl QueuePlace {
    /// Reads the address; nothing for what is none of a queue.
    pub(super) fn find(text: &str, services: &ServicesFile) -> Result<Option<Self>, String> {
        if !SqsAddress::is_meant(text) {
            return Ok(None);
        }
        let address = SqsAddress::parse(text)?;
        // The variables of the SDKs and of the AWS command line.
        let from_environment = || ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
        let region = address.region.clone().or_else(from_environment).unwrap_or_else(|| Home::default().region);
        let aws = services::aws(services, &region, "sqs", address.endpoint.as_deref())?;
        Ok(Some(Self { address, aws }))
    }

    pub(super) fn queue(&self) -> SqsQueue {
        SqsQueue::new(self.aws.clone(), self.address.clone())
    }
}
