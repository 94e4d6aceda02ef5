//! What a claim says of its node: a name, and where other nodes reach it.

use event_schemas::text::Text;
use std::fmt;

/// Most characters of a claim's text.
const MAX_CHARS: usize = 60;
/// Most characters of a name: the rest is for the address.
const MAX_NAME_CHARS: usize = 24;

/// `NAME`, or `NAME URL`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeName {
    name: String,
    url: Option<String>,
}

/// Why a node cannot be named so.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NodeNameError {
    #[error(
        "{0:?} cannot be a node's name: take 1 to {MAX_NAME_CHARS} of the letters a to z, digits, '.', '_' and '-'"
    )]
    BadName(String),
    #[error("{0:?} is no address of a node: take one such as http://10.0.0.7:7070, without a path")]
    BadUrl(String),
    #[error("a node's name and address have together at most {MAX_CHARS} characters; {0} has {1}")]
    TooLong(String, usize),
}

impl NodeName {
    /// A name, and `http://host:port` if other nodes can reach it.
    pub fn new(name: &str, url: Option<&str>) -> Result<Self, NodeNameError> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=MAX_NAME_CHARS).contains(&name.len()) || !name.bytes().all(is_letter) {
            return Err(NodeNameError::BadName(name.to_owned()));
        }
        let url = url.map(|url| url.trim_end_matches('/'));
        if let Some(url) = url.filter(|url| !is_address(url)) {
            return Err(NodeNameError::BadUrl(url.to_owned()));
        }
        let node = Self { name: name.to_owned(), url: url.map(str::to_owned) };
        let chars = node.to_string().chars().count();
        if chars > MAX_CHARS { Err(NodeNameError::TooLong(node.to_string(), chars)) } else { Ok(node) }
    }

    /// What stands in a claim, whatever wrote it: text that is no address is part of the name.
    pub fn of_claim(text: &Text<60>) -> Self {
        let text = text.as_str();
        match text.split_once(' ').filter(|(_, url)| is_address(url)) {
            Some((name, url)) => Self { name: name.to_owned(), url: Some(url.to_owned()) },
            None => Self { name: text.to_owned(), url: None },
        }
    }

    /// As it stands in a claim.
    pub fn text(&self) -> Text<60> {
        Text::new(&self.to_string()).expect("length and letters were checked when it was made")
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

impl Default for NodeName {
    fn default() -> Self {
        Self { name: "dancu".to_owned(), url: None }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.url.iter().try_for_each(|url| write!(f, " {url}"))
    }
}

/// `http://` or `https://`, a host, perhaps a port, and nothing more.
fn is_address(url: &str) -> bool {
    let authority = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    authority.is_some_and(|authority| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        !authority.is_empty() && authority.bytes().all(is_letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_tells_name_and_address() {
        let node = NodeName::new("node-a", Some("http://10.0.0.7:7070/")).unwrap();
        assert_eq!(node.text().as_str(), "node-a http://10.0.0.7:7070");
        assert_eq!(NodeName::of_claim(&node.text()), node);
        let alone = NodeName::new("node-a", None).unwrap();
        assert_eq!(NodeName::of_claim(&alone.text()), alone);
    }

    #[test]
    fn what_is_no_address_is_never_taken_for_one() {
        for text in ["node 3", "a file:///etc/passwd", "a http://b/path", "a http://user@host", "a http://"] {
            let node = NodeName::of_claim(&Text::new(text).unwrap());
            assert_eq!((node.url(), node.name()), (None, text));
        }
        for (name, url) in
            [("", None), ("a b", None), ("a", Some("10.0.0.7:7070")), ("a", Some("http://h/p"))]
        {
            assert!(NodeName::new(name, url).is_err(), "{name:?} {url:?}");
        }
        let long = format!("http://{}:7070", "h".repeat(50));
        assert!(matches!(NodeName::new("a", Some(&long)), Err(NodeNameError::TooLong(..))));
    }
}
