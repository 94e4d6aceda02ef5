//! The group of nodes as the brokers see it: who stands for leader, and what each says of itself.

use super::candidacy::group_id;
use super::client::{Connection, LetGo, REQUEST_TIMEOUT, Reports};
use crate::engine::LogError;
use crate::hint::{Member, NodeGroup};
use event_schemas::format;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use std::time::Duration;

/// Begins what a node says of itself to the group: the format that it knows and its name follow.
const SIGN: &str = "dancu-format-";

/// What this program says of itself as the node `name`.
pub(super) fn sign(name: &str) -> String {
    format!("{SIGN}{}-{name}", format::NEWEST)
}

/// Reads a sign; what says nothing of formats is an earlier program that knows the first one.
fn read_sign(text: &str) -> Member {
    let told = text.strip_prefix(SIGN).and_then(|rest| rest.split_once('-'));
    match told.and_then(|(format, name)| Some((format.parse().ok()?, name))) {
        Some((format, name)) => Member { name: name.to_owned(), format },
        None => Member { name: text.to_owned(), format: 0 },
    }
}

/// Asks the brokers who is in the group of a topic.
pub struct Group {
    connection: Connection,
}

impl Group {
    pub(super) fn of(connection: &Connection) -> Self {
        Self { connection: connection.clone() }
    }
}

impl NodeGroup for Group {
    fn members(&self) -> Result<Vec<Member>, LogError> {
        let failed = |error| self.connection.failure("asking who is in the group of nodes", &error);
        let consumer = self.connection.config().create_with_context(Reports).map_err(failed)?;
        let consumer: LetGo<BaseConsumer<Reports>> = LetGo::new(consumer);
        fetch_members(&consumer, &group_id(&self.connection), REQUEST_TIMEOUT).map_err(failed)
    }
}

/// Who is in the group `id`, in the order of their names. A broker that does not know the group yet says that nobody is.
pub(super) fn fetch_members<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    id: &str,
    within: Duration,
) -> Result<Vec<Member>, KafkaError> {
    let groups = consumer.fetch_group_list(Some(id), within)?;
    let members = groups.groups().iter().filter(|group| group.name() == id).flat_map(|group| group.members());
    let mut members: Vec<Member> = members.map(|member| read_sign(member.client_id())).collect();
    members.sort_unstable();
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_of_itself_is_read_back() {
        let own = Member { name: "node-1".to_owned(), format: format::NEWEST };
        assert_eq!(read_sign(&sign("node-1")), own);
        for earlier in ["dancu", "dancu-format-x-node"] {
            assert_eq!(read_sign(earlier), Member { name: earlier.to_owned(), format: 0 });
        }
    }
}
