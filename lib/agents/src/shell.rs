//! Commands as agents wrap them in a shell.

/// A command without the one shell that an agent puts round it.
pub(crate) fn unwrapped(command: &str) -> String {
    let words = shlex::split(command).unwrap_or_default();
    match words.as_slice() {
        [shell, flag, script]
            if matches!(flag.as_str(), "-c" | "-lc")
                && shell.rsplit('/').next().is_some_and(|name| matches!(name, "sh" | "bash" | "zsh" | "dash")) =>
        {
            script.clone()
        }
        _ => command.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shell_is_taken_off() {
        assert_eq!(unwrapped("/bin/bash -lc 'touch made.txt'"), "touch made.txt");
        assert_eq!(unwrapped("bash -c 'sh -c \"a b\"'"), "sh -c \"a b\"");
        assert_eq!(unwrapped("python -c 'x'"), "python -c 'x'");
        assert_eq!(unwrapped("/bin/bash -lc 'unterminated"), "/bin/bash -lc 'unterminated");
        assert_eq!(unwrapped("bash -lc a b"), "bash -lc a b");
    }
}
