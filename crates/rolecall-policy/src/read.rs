//! Reads documents: what IAM refuses is an error with its location, and nothing is ignored.
//!
//! (IAM User Guide, "Grammar of the IAM JSON policy language".)

mod conditions;
mod document;
mod path;
mod reader;

use crate::error::{PolicyError, Position};
use crate::json::{Json, JsonError, count_without_white_space, line_and_column};
use crate::limits::{MAX_DOCUMENT_BYTES, PolicyKind};
use crate::lines::Lines;
use crate::model::Document;
use document::ReadDocument;
use reader::{Reader, Stop};

/// What a document does not conform to, with the code of the lint that reports it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) error: PolicyError,
}

/// Reads a document of a kind.
pub(crate) fn read(kind: PolicyKind, text: &str) -> Result<Document, PolicyError> {
    let json = parse(kind, text).map_err(|fault| fault.error)?;
    let document = read_value(kind, text, json)?;
    // After the reading, so that a malformed document is not called too large.
    check_size(kind, text)?;
    Ok(document)
}

/// Parses a JSON text that is not too long to be read.
pub(crate) fn parse_json(text: &str) -> Result<Json<'_>, PolicyError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        let message =
            format!("{} bytes; the most that is read is {MAX_DOCUMENT_BYTES}", text.len());
        return Err(PolicyError::new("", message));
    }
    Json::parse(text).map_err(|error| json_error(text, error))
}

/// Parses the JSON of a document, and names the lint that reports what is wrong with it.
fn parse(kind: PolicyKind, text: &str) -> Result<Json<'_>, Fault> {
    let is_size = text.len() > MAX_DOCUMENT_BYTES;
    let code = if is_size { kind.size_code() } else { "JSON_SYNTAX_ERROR" };
    parse_json(text).map_err(|error| Fault { code, error })
}

/// Converts an error of the JSON reader.
pub(crate) fn json_error(text: &str, error: JsonError) -> PolicyError {
    let JsonError { location, offset, message } = error;
    PolicyError { location, position: Some(position(text, offset)), message }
}

fn position(text: &str, offset: usize) -> Position {
    let (line, column) = line_and_column(text, offset);
    Position { line, column }
}

/// Reads a document that is a value inside a larger JSON text. Its size is not limited.
pub(crate) fn read_value(
    kind: PolicyKind,
    text: &str,
    json: Json<'_>,
) -> Result<Document, PolicyError> {
    read_value_in(kind, &Lines::of(text), json)
}

/// Reads a document that is one of many values inside a larger JSON text.
pub(crate) fn read_value_in(
    kind: PolicyKind,
    lines: &Lines<'_>,
    json: Json<'_>,
) -> Result<Document, PolicyError> {
    match Reader::new(kind, lines).document(json) {
        Ok(ReadDocument { document, .. }) => Ok(document),
        Err(Stop::At(fault)) => Err(fault.error),
        // A reader that does not collect faults stops at the first.
        Err(Stop::Collected) => Err(PolicyError::new("", "not a policy")),
    }
}

/// A document with all of its faults.
pub(crate) struct Inspected<'a> {
    /// The JSON, if it could be parsed.
    pub(crate) json: Option<Json<'a>>,
    /// The document, with the statements that have no fault.
    pub(crate) document: Option<Document>,
    /// The index in the text of each statement of the document.
    pub(crate) indices: Vec<usize>,
    pub(crate) faults: Vec<Fault>,
}

/// Reads a document and continues after a fault, to find all that are independent of each other.
pub(crate) fn inspect(kind: PolicyKind, text: &str) -> Inspected<'_> {
    let (indices, faults) = (Vec::new(), Vec::new());
    let mut found = Inspected { json: None, document: None, indices, faults };
    let json = match parse(kind, text) {
        Ok(json) => json,
        Err(fault) => {
            found.faults.push(fault);
            return found;
        }
    };
    found.json = Some(json.clone());
    let lines = Lines::of(text);
    let reader = Reader::new(kind, &lines).collecting();
    let result = reader.document(json);
    found.faults = reader.into_faults();
    match result {
        Ok(read) => {
            found.document = Some(read.document);
            found.indices = read.indices;
        }
        Err(Stop::At(fault)) => found.faults.push(fault),
        Err(Stop::Collected) => {}
    }
    if let Err(error) = check_size(kind, text) {
        found.faults.push(Fault { code: kind.size_code(), error });
    }
    found
}

/// Reads a document from bytes.
pub(crate) fn read_slice(kind: PolicyKind, bytes: &[u8]) -> Result<Document, PolicyError> {
    read(kind, utf8("", bytes)?)
}

/// Returns the text of bytes that are UTF-8. `location` is that of an error.
pub(crate) fn utf8<'a>(location: &str, bytes: &'a [u8]) -> Result<&'a str, PolicyError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let text = std::str::from_utf8(valid).unwrap_or_default();
        let position = Some(position(text, text.len()));
        let message = "not valid UTF-8".to_owned();
        PolicyError { location: location.to_owned(), position, message }
    })
}

/// Compares a document with the quota of its kind.
pub(crate) fn check_size(kind: PolicyKind, text: &str) -> Result<(), PolicyError> {
    let limit = kind.max_characters();
    // Most documents are within the limit even with their white space.
    if text.len() <= limit {
        return Ok(());
    }
    let characters = if kind.counts_white_space() {
        text.chars().count()
    } else {
        count_without_white_space(text)
    };
    if characters <= limit {
        return Ok(());
    }
    let name = kind.name();
    let message = format!("{characters} characters, but {name} has at most {limit}");
    Err(PolicyError::new("", message))
}
