//! The compiler of patterns: finds wildcards, variables and escapes in a text.

use super::{Piece, Syntax, Variable};

/// Splits the text of a pattern at the first colons that are not part of a variable, into at most
/// `N` fields. Returns `None` if there are fewer.
pub(crate) fn split_fields<const N: usize>(text: &str, syntax: Syntax) -> Option<[&str; N]> {
    let mut fields = [""; N];
    let (mut rest, mut start) = (text, 0);
    for (index, field) in fields.iter_mut().enumerate() {
        if index + 1 == N {
            *field = text.get(start..)?;
            break;
        }
        loop {
            match rest.chars().next()? {
                ':' => {
                    let colon = text.len() - rest.len();
                    *field = text.get(start..colon)?;
                    start = colon + 1;
                    rest = text.get(start..)?;
                    break;
                }
                c => {
                    let variable = variable_at(rest, syntax).map(|(_, after)| after);
                    rest = variable.or_else(|| rest.get(c.len_utf8()..))?;
                }
            }
        }
    }
    Some(fields)
}

/// What stands between the braces of a variable or escape at the start of `text`, and the rest.
fn variable_at(text: &str, syntax: Syntax) -> Option<(&str, &str)> {
    let inner = if syntax.variables { text.strip_prefix("${") } else { None };
    inner?.split_once('}')
}

pub(super) struct Compiler {
    segments: Vec<Vec<Piece>>,
    variables: Vec<Variable>,
    /// Literal text that is not yet a piece.
    literal: String,
}

impl Default for Compiler {
    fn default() -> Self {
        Self { segments: vec![Vec::new()], variables: Vec::new(), literal: String::new() }
    }
}

impl Compiler {
    /// Returns the segments and the variables of a text.
    pub(super) fn compile(
        mut self,
        text: &str,
        syntax: Syntax,
    ) -> (Vec<Vec<Piece>>, Vec<Variable>) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            // A `${` without its brace is plain text. MISSING_BRACE_IN_VARIABLE reports it.
            if let Some((inner, after)) = variable_at(rest, syntax) {
                rest = after;
                match inner {
                    "*" | "?" | "$" => self.literal.push_str(inner),
                    _ => self.push_variable(Variable::parse(inner)),
                }
                continue;
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '*' if syntax.wildcards => self.push_star(),
                '?' if syntax.wildcards => self.push_question_mark(),
                _ => self.literal.push(c),
            }
        }
        self.flush();
        (self.segments, self.variables)
    }

    fn push(&mut self, piece: Piece) {
        if let Some(segment) = self.segments.last_mut() {
            segment.push(piece);
        }
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let literal = std::mem::take(&mut self.literal);
            self.push(Piece::Literal(literal.into()));
        }
    }

    fn push_star(&mut self) {
        self.flush();
        // A star after a star adds nothing, and would leave an empty segment between them.
        let after_star = self.segments.len() > 1 && self.segments.last().is_some_and(Vec::is_empty);
        if !after_star {
            self.segments.push(Vec::new());
        }
    }

    fn push_question_mark(&mut self) {
        self.flush();
        let last = self.segments.last_mut().and_then(|segment| segment.last_mut());
        if let Some(Piece::Characters(count)) = last {
            *count += 1;
        } else {
            self.push(Piece::Characters(1));
        }
    }

    fn push_variable(&mut self, variable: Variable) {
        self.flush();
        let known = self.variables.iter().position(|known| *known == variable);
        let index = known.unwrap_or_else(|| {
            self.variables.push(variable);
            self.variables.len() - 1
        });
        self.push(Piece::Variable(index));
    }
}
