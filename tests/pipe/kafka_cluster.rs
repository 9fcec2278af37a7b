//! A cluster of Kafka for tests, librdkafka's own mock, in a process of its own: speaks the real protocol on real ports.
//!
//! Takes commands on standard input, one a line, and answers each with one line:
//!
//! - `topic NAME PARTITIONS` makes a topic;
//! - `produce NAME` stores the lines that follow, up to an empty one, each a message; answers how many;
//! - `left NAME GROUP` answers how many messages the group has not committed;
//! - `read NAME FILE` writes all messages of a topic that were not read before to a file, as lines: the header
//!   `Expressway-Error`, a tab, the payload; answers how many.
//!
//! It reads topics all the time, as the mock keeps only some megabytes of each partition.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of tests, which says by a panic what is wrong")]

use std::{
    collections::HashMap,
    io::{BufRead as _, Write as _},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::Headers as _,
    mocking::MockCluster,
    producer::{BaseRecord, Producer as _, ThreadedProducer},
};

type Lines = Arc<Mutex<Vec<u8>>>;

const PATIENCE: Duration = Duration::from_secs(30);

struct Host {
    servers: String,
    partitions: HashMap<String, i32>,
    /// What was read of each topic and not asked for.
    lines: HashMap<String, Lines>,
    /// Asks for the offsets of groups, without being a member of them.
    groups: HashMap<String, BaseConsumer>,
}

fn config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    config
}

impl Host {
    fn list(&self, topic: &str, offset: Offset) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for number in 0..self.partitions[topic] {
            list.add_partition_offset(topic, number, offset).unwrap();
        }
        list
    }

    /// Reads a topic from its beginning, for ever.
    fn read_all_the_time(&mut self, topic: &str) {
        let lines = Lines::default();
        self.lines.insert(topic.to_owned(), Arc::clone(&lines));
        let consumer: BaseConsumer = config(&self.servers).set("group.id", "reader").create().unwrap();
        consumer.assign(&self.list(topic, Offset::Beginning)).unwrap();
        thread::spawn(move || {
            loop {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
                let mut headers = message.headers().into_iter().flat_map(|headers| headers.iter());
                let error = headers.find(|header| header.key == "Expressway-Error").and_then(|header| header.value);
                let lines = &mut *lines.lock().unwrap();
                lines.extend_from_slice(error.unwrap_or_default());
                lines.push(b'\t');
                lines.extend_from_slice(message.payload().unwrap_or_default());
                lines.push(b'\n');
            }
        });
    }

    fn produce(&self, topic: &str, messages: impl Iterator<Item = String>) -> usize {
        let producer: ThreadedProducer<_> = config(&self.servers).set("linger.ms", "20").create().unwrap();
        let mut count = 0;
        for message in messages {
            let key = count.to_string();
            let mut record = BaseRecord::to(topic).payload(&message).key(&key);
            while let Err((error, back)) = producer.send(record) {
                assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
                producer.flush(Duration::from_secs(1)).ok();
                record = back;
            }
            count += 1;
        }
        producer.flush(PATIENCE).unwrap();
        count
    }

    fn left(&mut self, topic: &str, group: &str) -> i64 {
        let list = self.list(topic, Offset::Invalid);
        let asking = self
            .groups
            .entry(group.to_owned())
            .or_insert_with(|| config(&self.servers).set("group.id", group).create().unwrap());
        let committed = asking.committed_offsets(list, PATIENCE).unwrap();
        let left = committed.elements().into_iter().map(|partition| {
            let (low, high) = asking.fetch_watermarks(topic, partition.partition(), PATIENCE).unwrap();
            high - partition.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(low)
        });
        left.sum()
    }
}

fn main() {
    let cluster = MockCluster::new(1).unwrap();
    let mut host = Host {
        servers: cluster.bootstrap_servers(),
        partitions: HashMap::new(),
        lines: HashMap::new(),
        groups: HashMap::new(),
    };
    println!("{}", host.servers);
    let mut input = std::io::stdin().lock().lines().map(Result::unwrap);
    while let Some(line) = input.next() {
        let words: Vec<_> = line.split(' ').collect();
        let answer = match *words {
            ["topic", name, partitions] => {
                let partitions: i32 = partitions.parse().unwrap();
                cluster.create_topic(name, partitions, 1).unwrap();
                host.partitions.insert(name.to_owned(), partitions);
                if name != "events" {
                    host.read_all_the_time(name);
                }
                partitions.to_string()
            }
            ["produce", name] => host.produce(name, input.by_ref().take_while(|line| !line.is_empty())).to_string(),
            ["left", name, group] => host.left(name, group).to_string(),
            ["read", name, file] => {
                let lines = std::mem::take(&mut *host.lines[name].lock().unwrap());
                std::fs::write(file, &lines).unwrap();
                lines.iter().filter(|byte| **byte == b'\n').count().to_string()
            }
            _ => panic!("no such command: {line}"),
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}
