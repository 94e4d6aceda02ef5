//! Cuts a stream of bytes into lines, with a longest line.

use bytes::{Buf, Bytes, BytesMut};

/// A line of the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// 1-based; empty lines count.
    pub number: u64,
    pub content: LineContent,
}

/// What a line holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LineContent {
    /// Without its end.
    Text(Bytes),
    /// Longer than allowed; its bytes were thrown away as they came.
    TooLong,
}

/// Cuts lines as bytes come. Keeps at most one unfinished line, and of that at most the longest allowed.
#[derive(Debug)]
pub struct LineCutter {
    max_line_bytes: usize,
    unfinished: BytesMut,
    /// The unfinished line is already too long; it is thrown away up to its end.
    skipping: bool,
    next_number: u64,
}

impl LineCutter {
    /// Lines of up to `max_line_bytes` bytes.
    pub fn new(max_line_bytes: usize) -> Self {
        Self { max_line_bytes, unfinished: BytesMut::new(), skipping: false, next_number: 1 }
    }

    /// Number of the line that is not finished yet.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Takes the next bytes and adds the lines that end in them. Empty lines are counted and left out.
    pub fn push(&mut self, mut chunk: Bytes, lines: &mut Vec<Line>) {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            let tail = chunk.split_to(end);
            chunk.advance(1);
            self.finish_line(tail, lines);
        }
        if self.skipping || chunk.is_empty() {
            return;
        }
        if self.unfinished.len() + chunk.len() > self.max_line_bytes {
            self.skipping = true;
            self.unfinished = BytesMut::new();
            return;
        }
        self.unfinished.extend_from_slice(&chunk);
    }

    /// The stream ended properly: its last line may lack its end.
    pub fn finish(&mut self, lines: &mut Vec<Line>) {
        if self.skipping || !self.unfinished.is_empty() {
            self.finish_line(Bytes::new(), lines);
        }
    }

    fn finish_line(&mut self, tail: Bytes, lines: &mut Vec<Line>) {
        let number = self.next_number;
        self.next_number += 1;
        let too_long = self.skipping || self.unfinished.len() + tail.len() > self.max_line_bytes;
        self.skipping = false;
        if too_long {
            self.unfinished = BytesMut::new();
            lines.push(Line { number, content: LineContent::TooLong });
            return;
        }
        // A line that lies in one chunk is not copied.
        let text = if self.unfinished.is_empty() {
            tail
        } else {
            self.unfinished.extend_from_slice(&tail);
            self.unfinished.split().freeze()
        };
        if !text.trim_ascii().is_empty() {
            lines.push(Line { number, content: LineContent::Text(text) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, chunk_bytes: usize, max_line_bytes: usize) -> Vec<(u64, String)> {
        let mut cutter = LineCutter::new(max_line_bytes);
        let mut lines = Vec::new();
        for chunk in text.as_bytes().chunks(chunk_bytes) {
            cutter.push(Bytes::copy_from_slice(chunk), &mut lines);
        }
        cutter.finish(&mut lines);
        let shown = |line: Line| match line.content {
            LineContent::Text(text) => (line.number, String::from_utf8(text.to_vec()).unwrap()),
            LineContent::TooLong => (line.number, "too long".into()),
        };
        lines.into_iter().map(shown).collect()
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let text = "one\n\ntwo\r\nthis line is much too long\nthree\n  \nlast";
        let expected = [(1, "one"), (3, "two\r"), (4, "too long"), (5, "three"), (7, "last")];
        for chunk_bytes in 1..=text.len() {
            let lines = cut(text, chunk_bytes, 10);
            let lines: Vec<_> = lines.iter().map(|(number, text)| (*number, text.as_str())).collect();
            assert_eq!(lines, expected, "in chunks of {chunk_bytes}");
        }
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut cutter = LineCutter::new(1_000);
        let mut lines = Vec::new();
        for _ in 0..10_000 {
            cutter.push(Bytes::from_static(&[b'x'; 999]), &mut lines);
            assert!(cutter.unfinished.capacity() <= 2_000);
        }
        cutter.finish(&mut lines);
        assert_eq!(lines, [Line { number: 1, content: LineContent::TooLong }]);
    }
}
