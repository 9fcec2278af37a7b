//! How queues are named: by URL, by ARN, or `sqs://` and their name.

/// A queue, in one of the forms that AWS's users write: its URL, its ARN, or `sqs://NAME` and `sqs://ACCOUNT/NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqsAddress {
    /// The queue's name.
    pub name: String,
    /// Its account, where it is told.
    pub account: Option<String>,
    /// Its region, where it is told.
    pub region: Option<String>,
    /// Its URL, where that is what was written; else the service is asked for it.
    pub url: Option<String>,
    /// What the URL begins with, when that is no public endpoint of AWS: where a stand-in or a VPC endpoint is.
    pub endpoint: Option<String>,
}

impl SqsAddress {
    /// Whether a text is meant as such an address.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        let is_arn = text.strip_prefix("arn:").is_some_and(|rest| rest.split(':').nth(1) == Some("sqs"));
        is_arn || ["sqs://", "http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unusable = || format!("'{text}' is no queue: its URL, its ARN, sqs://NAME or sqs://ACCOUNT/NAME");
        let named = |name: &str, account: Option<&str>| {
            let valid = |part: &str| {
                !part.is_empty() && part.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char))
            };
            if !valid(name) || account.is_some_and(|account| !valid(account)) {
                return Err(unusable());
            }
            Ok(Self { name: name.to_owned(), account: account.map(str::to_owned), ..Self::default() })
        };
        if let Some(rest) = text.strip_prefix("sqs://") {
            return match rest.split_once('/') {
                Some((account, name)) => named(name, Some(account)),
                None => named(rest, None),
            };
        }
        if let Some(rest) = text.strip_prefix("arn:") {
            let parts: Vec<_> = rest.split(':').collect();
            let [_, "sqs", region, account, name] = *parts else { return Err(unusable()) };
            return Ok(Self { region: Some(region.to_owned()), ..named(name, Some(account))? });
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(unusable)?;
        let (host, path) = rest.split_once('/').ok_or_else(unusable)?;
        // Stand-ins may have more before account and name.
        let mut path = path.rsplit('/');
        let (name, account) = (path.next().unwrap_or_default(), path.next());
        let region = region(host);
        let public = region.as_ref().is_some_and(|region| {
            scheme == "https"
                && [format!("sqs.{region}.amazonaws.com"), format!("sqs.{region}.amazonaws.com.cn")]
                    .contains(&host.to_owned())
        });
        let endpoint = (!public).then(|| format!("{scheme}://{host}"));
        Ok(Self { region, url: Some(text.to_owned()), endpoint, ..named(name, account)? })
    }

    /// Whether it is a FIFO queue: their names, and no others, end so (SQS Developer Guide, "FIFO queue and message
    /// identifiers").
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// The region in the host of a queue's URL: behind `sqs` or `sqs-fips`, and before `queue` in old ones.
fn region(host: &str) -> Option<String> {
    let host = host.split(':').next().unwrap_or_default();
    let labels: Vec<_> = host.split('.').collect();
    let found = match labels.iter().position(|label| *label == "sqs" || *label == "sqs-fips") {
        Some(place) => labels.get(place + 1),
        None => labels.iter().position(|label| *label == "queue").and_then(|place| labels.get(place.checked_sub(1)?)),
    };
    let is_region = |label: &&&str| label.contains('-') && label.ends_with(|last: char| last.is_ascii_digit());
    found.filter(is_region).map(|label| (*label).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_have_many_names() {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
        let queue = SqsAddress::parse(url).unwrap();
        let expected = SqsAddress {
            name: "orders".into(),
            account: Some("123456789012".into()),
            region: Some("eu-west-1".into()),
            url: Some(url.into()),
            endpoint: None,
        };
        assert_eq!(queue, expected);
        let arn = SqsAddress::parse("arn:aws:sqs:eu-west-1:123456789012:orders").unwrap();
        assert_eq!(arn, SqsAddress { url: None, ..expected });
        let local = SqsAddress::parse("http://127.0.0.1:4566/000000000000/orders.fifo").unwrap();
        assert_eq!((local.endpoint.as_deref(), local.region.as_deref()), (Some("http://127.0.0.1:4566"), None));
        assert!(local.is_fifo() && !arn.is_fifo());
        let local = SqsAddress::parse("http://sqs.us-east-2.localhost.localstack.cloud:4566/000000000000/q").unwrap();
        assert_eq!(local.region.as_deref(), Some("us-east-2"));
        let inside = SqsAddress::parse("https://vpce-1.sqs.eu-west-3.vpce.amazonaws.com/123456789012/q").unwrap();
        assert_eq!(inside.region.as_deref(), Some("eu-west-3"));
        assert_eq!(inside.endpoint.as_deref(), Some("https://vpce-1.sqs.eu-west-3.vpce.amazonaws.com"));
        let old = SqsAddress::parse("https://eu-west-1.queue.amazonaws.com/123456789012/q").unwrap();
        assert_eq!(old.region.as_deref(), Some("eu-west-1"));
        assert_eq!(SqsAddress::parse("sqs://orders").unwrap().account, None);
        assert_eq!(SqsAddress::parse("sqs://1/orders").unwrap().account.as_deref(), Some("1"));
        for bad in ["sqs://", "sqs://a/b/c", "http://host", "arn:aws:sns:eu-west-1:1:t", "https://host/1/"] {
            assert!(SqsAddress::parse(bad).is_err(), "{bad}");
        }
        assert!(
            SqsAddress::is_meant("arn:aws:sqs:eu-west-1:1:q") && !SqsAddress::is_meant("arn:aws:sns:eu-west-1:1:t")
        );
    }
}
