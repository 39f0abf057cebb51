//! Completion in bash, which takes `profile:NAME` and an ARN for several words.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap_complete::env::{self, EnvCompleter};

use crate::shell::quoted;

/// Joins the words that bash splits at `:` and `=`, and cuts off from the candidates what stands
/// before the last of them, since bash replaces only what follows it.
const SCRIPT: &str = r#"_complete_NAME() {
    local IFS=$'\013' i word typed prefix count=0
    local words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((count > 0)) && [[ $word =~ ^[:=]+$ || ${COMP_WORDS[i - 1]} =~ ^[:=]+$ ]]; then
            words[count - 1]+=$word
        else
            words[count]=$word
            ((count += 1))
        fi
    done
    COMPREPLY=($(
        _CLAP_IFS=$IFS _CLAP_COMPLETE_INDEX=$((count - 1)) VARIABLE=bash \
            PROGRAM -- "${words[@]}" 2> /dev/null
    )) || COMPREPLY=()
    typed=${words[count - 1]}
    if [[ ${COMP_WORDS[COMP_CWORD]} != "$typed" ]]; then
        prefix=${typed%"${typed##*[:=]}"}
        for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
            COMPREPLY[i]=${COMPREPLY[i]#"$prefix"}
        done
    fi
    if [[ ${COMPREPLY[0]-} != *[=/:] ]]; then
        compopt +o nospace 2> /dev/null
    fi
    return 0
}
complete -o nospace -o bashdefault -F _complete_NAME NAME"#;

/// The adapter of clap_complete, with another script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        env::Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        env::Bash.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        _program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let script = SCRIPT.replace("NAME", name).replace("VARIABLE", variable);
        writeln!(out, "{}", script.replace("PROGRAM", &quoted(completer)))
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        env::Bash.write_complete(command, words, folder, out)
    }
}
