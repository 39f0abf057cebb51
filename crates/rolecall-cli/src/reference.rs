//! The reference of all commands as Markdown, from the definitions that also print the help.

use clap::{Arg, Command};

use crate::output::wrap::wrap;

/// Width of the lines.
const WIDTH: usize = 100;

/// Returns the reference of a command and its subcommands.
pub(crate) fn markdown(mut root: Command) -> String {
    root.build();
    let mut text = String::new();
    write(&root, &[], &mut text);
    text
}

fn write(command: &Command, parents: &[&str], text: &mut String) {
    let path = [parents, &[command.get_name()]].concat();
    let name = path.join(" ");
    // Deeper headings would be hard to tell apart.
    let level = "#".repeat(path.len().min(3));
    text.push_str(&format!("{level} {name}\n\n"));
    let about = command.get_long_about().or(command.get_about());
    for paragraph in about.map(ToString::to_string).unwrap_or_default().split("\n\n") {
        push(text, &escape(&sentence(paragraph)), 0);
        text.push('\n');
    }
    let usage = command.clone().bin_name(&name).render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim);
    text.push_str(&format!("```text\n{}\n```\n", usage.collect::<Vec<_>>().join("\n")));
    write_arguments(command, parents.is_empty(), text);
    write_children(command, &path, text);
    if let Some(help) = command.get_after_long_help().or(command.get_after_help()) {
        write_examples(&help.to_string(), text);
    }
    for child in visible(command) {
        text.push('\n');
        write(child, &path, text);
    }
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|child| !child.is_hide_set() && child.get_name() != "help")
}

/// Writes the list of the subcommands.
fn write_children(command: &Command, path: &[&str], text: &mut String) {
    if visible(command).next().is_none() {
        return;
    }
    text.push_str("\n**Commands**\n\n");
    for child in visible(command) {
        let about = child.get_about().map(ToString::to_string).unwrap_or_default();
        // The anchors of headings are their words, joined by hyphens.
        let anchor = [path, &[child.get_name()]].concat().join("-");
        push(text, &format!("- [`{}`](#{anchor}): {}", child.get_name(), escape(&about)), 0);
    }
}

/// Writes the arguments and options under their headings. The global options stand at the root.
fn write_arguments(command: &Command, is_root: bool, text: &mut String) {
    let is_shown = |arg: &&Arg| {
        !arg.is_hide_set() && (is_root || !arg.is_global_set()) && arg.get_id() != "help"
    };
    let heading = |arg: &Arg| match (arg.is_positional(), arg.get_help_heading()) {
        (true, _) => "Arguments".to_owned(),
        (false, heading) => heading.unwrap_or("Options").to_owned(),
    };
    let args: Vec<&Arg> = command.get_arguments().filter(is_shown).collect();
    let mut headings: Vec<String> = Vec::new();
    for arg in args.iter().filter(|arg| arg.is_positional()).chain(&args) {
        if !headings.contains(&heading(arg)) {
            headings.push(heading(arg));
        }
    }
    for title in headings {
        text.push_str(&format!("\n**{title}**\n\n"));
        for arg in args.iter().filter(|arg| heading(arg) == title) {
            write_argument(arg, text);
        }
    }
}

fn write_argument(arg: &Arg, text: &mut String) {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut paragraphs = help.split("\n\n");
    let first = escape(&sentence(paragraphs.next().unwrap_or_default()));
    let mut item = format!("- `{}`: {first}", syntax(arg));
    let takes_value = arg.get_action().takes_values();
    let default = arg.get_default_values().first().filter(|_| takes_value);
    if let Some(default) = default.filter(|_| !arg.is_hide_default_value_set()) {
        item.push_str(&format!(" Default: `{}`.", default.to_string_lossy()));
    }
    push(text, &item, 0);
    for paragraph in paragraphs {
        text.push('\n');
        push(text, &escape(paragraph), 2);
    }
    let values = arg.get_possible_values();
    let is_shown = takes_value && !arg.is_hide_possible_values_set();
    for value in values.iter().filter(|value| is_shown && !value.is_hide_set()) {
        let help = value.get_help().map(|help| format!(": {}", escape(&help.to_string())));
        push(text, &format!("- `{}`{}", value.get_name(), help.unwrap_or_default()), 2);
    }
}

/// Returns an argument as the help shows it: `-q, --quiet`, `--base <BASE>`, `<ROLE_ARN>...`.
fn syntax(arg: &Arg) -> String {
    let long = arg.to_string();
    match arg.get_short() {
        Some(short) if !arg.is_positional() => format!("-{short}, {long}"),
        _ => long,
    }
}

/// Writes a text whose indented lines are commands or files.
fn write_examples(help: &str, text: &mut String) {
    let mut is_code = false;
    for line in help.lines().filter(|line| !line.trim().is_empty()) {
        let code = line.strip_prefix("  ");
        match (is_code, code.is_some()) {
            (false, true) => text.push_str("\n```text\n"),
            (true, false) => text.push_str("```\n"),
            _ => {}
        }
        is_code = code.is_some();
        match code {
            Some(code) => text.push_str(&format!("{code}\n")),
            None => {
                text.push('\n');
                push(text, &escape(line), 0);
            }
        }
    }
    if is_code {
        text.push_str("```\n");
    }
}

/// Adds a paragraph or list item whose lines are indented.
fn push(text: &mut String, paragraph: &str, indent: usize) {
    let is_item = paragraph.starts_with("- ");
    let inner = indent + if is_item { 2 } else { 0 };
    for (number, line) in wrap(paragraph, 0, WIDTH - inner).iter().enumerate() {
        let indent = if number == 0 { indent } else { inner };
        text.push_str(&format!("{:indent$}{}\n", "", line.trim()));
    }
}

/// Ends a text of the help, which has no period, as a sentence.
fn sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() || text.ends_with(['.', ':', '?']) { text } else { format!("{text}.") }
}

/// Escapes what Markdown would take for markup, outside of code.
fn escape(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(number, part)| match number % 2 {
        0 => part.replace('<', "\\<").replace('*', "\\*").replace('[', "\\["),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn reference_has_every_command_and_option() {
        let text = markdown(Cli::command());
        let mut root = Cli::command();
        root.build();
        let mut commands = vec![("rolecall".to_owned(), &root)];
        while let Some((path, command)) = commands.pop() {
            assert!(text.contains(&format!("# {path}\n")), "{path}");
            let args = command.get_arguments().filter(|arg| !arg.is_hide_set());
            for option in args.filter_map(|arg| arg.get_long()) {
                assert!(option == "help" || text.contains(&format!("--{option}")), "{option}");
            }
            let children = visible(command);
            commands.extend(children.map(|it| (format!("{path} {}", it.get_name()), it)));
        }
        assert!(!text.contains("__reference"));
    }

    #[test]
    fn markup_is_escaped_outside_of_code() {
        assert_eq!(escape("a<b `c<d` *[e"), "a\\<b `c<d` \\*\\[e");
        assert_eq!(sentence("a\n b"), "a b.");
        assert_eq!(sentence("a."), "a.");
    }

    #[test]
    fn indented_lines_of_examples_are_code() {
        let mut text = String::new();
        write_examples("Examples:\n  a\n  b\n\nIn a file:\n  [c]", &mut text);
        assert_eq!(text, "\nExamples:\n\n```text\na\nb\n```\n\nIn a file:\n\n```text\n[c]\n```\n");
    }
}
