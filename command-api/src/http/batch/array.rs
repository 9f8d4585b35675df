//! Cuts a JSON array into its elements as it comes. It looks at brackets and texts only: whether an element is JSON is
//! for its own reader to say, so one that is broken within its brackets does not end the batch.

use bytes::{Buf, Bytes};

use super::framer::{Begun, Framed, Malformed, is_space};

/// See [`super::framer::Framer`].
#[derive(Default)]
pub struct Array {
    state: State,
    chunk: Bytes,
    begun: Begun,
    /// Bytes of the body before the chunk.
    passed: u64,
}

/// What was read last.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Nothing.
    #[default]
    Start,
    /// The array's opening bracket.
    Opened,
    /// A comma between elements.
    Comma,
    /// A part of an element that is no object, list or text.
    Scalar,
    /// A part of an object or list, so many brackets deep.
    Nested(u32),
    /// A part of a text that is so many brackets deep; `true`: the next character is escaped.
    Text(u32, bool),
    /// A whole element.
    Element,
    /// The array's closing bracket.
    Closed,
}

/// Where a byte belongs.
enum Belongs {
    /// Between elements.
    Between,
    /// To an element that goes on.
    Inside,
    /// To the element that it ends.
    Last,
    /// Behind an element that ended before it.
    Behind,
}

impl Array {
    /// See [`super::framer::Framer::push`].
    pub fn push(&mut self, chunk: Bytes) {
        assert!(self.chunk.is_empty(), "what came before was not read");
        self.chunk = chunk;
    }

    /// See [`super::framer::Framer::next`].
    pub fn next(&mut self) -> Result<Option<Framed>, Malformed> {
        let mut from = 0;
        for at in 0..self.chunk.len() {
            let ends = match self.step(at)? {
                Belongs::Inside => continue,
                Belongs::Between => {
                    from = at + 1;
                    continue;
                }
                Belongs::Last => at + 1,
                Belongs::Behind => at,
            };
            let mut element = self.take(ends);
            element.advance(from);
            return Ok(Some(self.begun.complete(element)));
        }
        let rest = self.take(self.chunk.len());
        if self.is_within_an_element() {
            self.begun.keep(&rest[from..]);
        }
        Ok(None)
    }

    /// See [`super::framer::Framer::finish`].
    pub fn finish(&mut self) -> Result<(), Malformed> {
        match self.state {
            State::Closed => Ok(()),
            State::Start => Err(Malformed("the body is empty: a JSON array begins with '['".to_owned())),
            _ => Err(Malformed(format!(
                "the body ends after {} bytes, within the array: its ']' is missing",
                self.passed
            ))),
        }
    }

    fn take(&mut self, bytes: usize) -> Bytes {
        self.passed += bytes as u64;
        self.chunk.split_to(bytes)
    }

    fn is_within_an_element(&self) -> bool {
        matches!(self.state, State::Scalar | State::Nested(_) | State::Text(..))
    }

    fn step(&mut self, at: usize) -> Result<Belongs, Malformed> {
        let byte = self.chunk[at];
        let (state, belongs) = match (self.state, byte) {
            (State::Text(deep, true), _) => (State::Text(deep, false), Belongs::Inside),
            (State::Text(deep, false), b'\\') => (State::Text(deep, true), Belongs::Inside),
            (State::Text(0, false), b'"') => (State::Element, Belongs::Last),
            (State::Text(deep, false), b'"') => (State::Nested(deep), Belongs::Inside),
            (State::Nested(deep), b'"') => (State::Text(deep, false), Belongs::Inside),
            (State::Nested(deep), b'{' | b'[') => (State::Nested(deep + 1), Belongs::Inside),
            (State::Nested(1), b'}' | b']') => (State::Element, Belongs::Last),
            (State::Nested(deep), b'}' | b']') => (State::Nested(deep - 1), Belongs::Inside),
            (state @ (State::Text(..) | State::Nested(_)), _) => (state, Belongs::Inside),
            (State::Scalar, b',' | b']') => (State::Element, Belongs::Behind),
            (State::Scalar, byte) if is_space(byte) => (State::Element, Belongs::Behind),
            (State::Scalar, _) => (State::Scalar, Belongs::Inside),
            (state, byte) if is_space(byte) => (state, Belongs::Between),
            // UTF-8's byte order mark.
            (State::Start, 0xEF | 0xBB | 0xBF) => (State::Start, Belongs::Between),
            (State::Start, b'[') => (State::Opened, Belongs::Between),
            (State::Opened | State::Element, b']') => (State::Closed, Belongs::Between),
            (State::Element, b',') => (State::Comma, Belongs::Between),
            (State::Opened | State::Comma, b'{' | b'[') => (State::Nested(1), Belongs::Inside),
            (State::Opened | State::Comma, b'"') => (State::Text(0, false), Belongs::Inside),
            (State::Opened | State::Comma, byte) if !matches!(byte, b',' | b']' | b'}' | b':') => {
                (State::Scalar, Belongs::Inside)
            }
            (state, byte) => return Err(self.unexpected(state, at, byte)),
        };
        self.state = state;
        Ok(belongs)
    }

    fn unexpected(&self, state: State, at: usize, byte: u8) -> Malformed {
        let expected = match state {
            State::Start => "'[', which begins a JSON array",
            State::Closed => "the body's end: the array is closed",
            State::Element => "',' or ']'",
            _ => "a receipt",
        };
        let position = self.passed + at as u64;
        Malformed(format!(
            "byte {position} of the body, counted from 0, is {}: expected {expected}",
            char::from(byte).escape_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::super::framer::{Framer, MAX_RECEIPT_BYTES, cut};
    use super::*;

    fn elements(chunks: &[&[u8]]) -> (Vec<Framed>, Option<Malformed>) {
        cut(Framer::Array(Array::default()), chunks)
    }

    fn receipt(text: &str) -> Framed {
        Framed::Receipt(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn why(body: &str) -> String {
        elements(&[body.as_bytes()]).1.unwrap_or_else(|| panic!("{body} was taken")).0
    }

    #[test]
    fn elements_are_cut_at_their_own_brackets_only() {
        let body = r#" [ {"a":"],}\"[{\\"} ,[[1,2],{}],"x\\\",]",-1.5e3 ,null] "#;
        let (framed, malformed) = elements(&[body.as_bytes()]);
        assert_eq!(malformed, None);
        let expected = [r#"{"a":"],}\"[{\\"}"#, "[[1,2],{}]", r#""x\\\",]""#, "-1.5e3", "null"];
        assert_eq!(framed, expected.map(receipt));
    }

    #[test]
    fn what_is_no_array_is_refused_with_the_place() {
        assert!(why("").contains("empty"));
        assert!(why(r#" {"a":1}"#).contains("byte 1 of the body, counted from 0, is {"));
        assert!(why("[1 2]").contains("byte 3") && why("[1 2]").contains("',' or ']'"));
        assert!(why("[1,]").contains("byte 3") && why("[,1]").contains("byte 1"));
        assert!(why("[1]]").contains("byte 3") && why("[1] x").contains("byte 4"));
        assert!(why("[{},").contains("after 4 bytes") && why(r#"["a"#).contains("within the array"));
        assert!(why("[{}\n\"\u{7f}\"]").contains("byte 4"));
    }

    #[test]
    fn a_broken_element_is_left_to_its_reader_and_the_next_is_none_the_worse() {
        let (framed, malformed) = elements(&[br#"[{"a":1],tru,{}]"#]);
        assert_eq!((framed, malformed), (vec![receipt(r#"{"a":1]"#), receipt("tru"), receipt("{}")], None));
    }

    #[test]
    fn an_element_is_too_long_by_one_byte() {
        let longest = format!("\"{}\"", "x".repeat(MAX_RECEIPT_BYTES - 2));
        let body = format!("[{longest}, \"y{},{{}}]", &longest[1..]);
        let expected = vec![receipt(&longest), Framed::TooLong, receipt("{}")];
        assert_eq!(elements(&[body.as_bytes()]), (expected.clone(), None));
        let chunks: Vec<&[u8]> = body.as_bytes().chunks(100_003).collect();
        assert_eq!(elements(&chunks), (expected, None));
    }

    fn chunks(body: &[u8], cuts: Vec<usize>) -> Vec<&[u8]> {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect()
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("-12.5e3".to_owned()),
            "[\\[\\]{},:a\"\\\\é\n]{0,8}".prop_map(|text| serde_json::Value::from(text).to_string()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4)
                    .prop_map(|all| format!("[{}]", all.join(" ,"))),
                proptest::collection::vec(("[a-c\\[\"]{0,3}", inner), 0..4).prop_map(|fields| {
                    let fields: Vec<String> = fields
                        .into_iter()
                        .map(|(name, value)| format!("{} : {value}", serde_json::Value::from(name)))
                        .collect();
                    format!("{{{}\n}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn elements_are_those_serde_json_finds_wherever_the_body_is_cut_into_chunks(
            values in proptest::collection::vec(json(), 0..5),
            cuts in proptest::collection::vec(0_usize..=200, 0..6),
        ) {
            let body = format!(" [{}\t] ", values.join(" ,\r\n"));
            let expected: Vec<&RawValue> = serde_json::from_str(&body).unwrap();
            let expected: Vec<Framed> = expected.into_iter().map(|raw| receipt(raw.get())).collect();
            prop_assert_eq!(elements(&chunks(body.as_bytes(), cuts)), (expected, None));
        }

        #[test]
        fn a_body_is_an_array_for_both_or_for_neither(body in "(\\[)?[\\[\\]{},:\"\\\\ a1\n]{0,12}(\\])?") {
            let (framed, malformed) = elements(&[body.as_bytes()]);
            let readable = framed.iter().all(|framed| match framed {
                Framed::Receipt(bytes) => serde_json::from_slice::<&RawValue>(bytes).is_ok(),
                Framed::TooLong => false,
            });
            let by_serde = serde_json::from_str::<Vec<&RawValue>>(&body).is_ok();
            prop_assert_eq!(malformed.is_none() && readable, by_serde, "{:?}", body);
        }
    }
}
