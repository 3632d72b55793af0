//! `turnpike completion`: what does a shell need to complete our words?

use clap::{CommandFactory as _, ValueEnum};

use crate::arguments::Arguments;
use crate::output::Report;

/// A shell for which there is a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash, with the package bash-completion
    Bash,
    /// The Z shell
    Zsh,
    /// The friendly interactive shell
    Fish,
}

pub(crate) fn script(shell: Shell) -> Report {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "turnpike", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Report::new(serde_json::json!({ "script": script })).text(script.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Part;

    #[track_caller]
    fn check(shell: Shell, word: &str) {
        let report = script(shell);
        let [Part::Text(text)] = report.parts.as_slice() else { panic!("one text is expected") };
        assert!(text.contains(word), "{shell:?}: {word}");
    }

    #[test]
    fn each_shell_is_told_the_commands() {
        check(Shell::Bash, "complete -F _turnpike");
        check(Shell::Zsh, "#compdef turnpike");
        check(Shell::Fish, "complete -c turnpike");
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            check(shell, "import");
            check(shell, "test-key");
        }
    }
}
