//! The window manager's configuration: the one that it would read anyway, but calm.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Openbox answers each change of the keymap by binding all its keys anew, and hands on no click and moves no window meanwhile:
/// after a text of two hundred foreign symbols for four seconds. Its own keys are on none of the keys that we change.
const CALM: &str = "<rebindOnMappingNotify>no</rebindOnMappingNotify>";

/// What openbox is to read in this environment: what it would read, with that option; nothing where it has its own opinion, or
/// no configuration.
pub(crate) fn configuration(env: &[(OsString, OsString)]) -> Option<String> {
    let file = places(env).into_iter().map(|place| place.join("openbox/rc.xml")).find(|file| file.exists())?;
    // One that we cannot read is openbox's to judge.
    calm(&std::fs::read_to_string(file).ok()?)
}

/// Where configurations lie, by <https://specifications.freedesktop.org/basedir-spec/latest/>.
fn places(env: &[(OsString, OsString)]) -> Vec<PathBuf> {
    let variable = |name: &str| {
        env.iter().find(|(known, _)| known == name).map(|(_, value)| value).filter(|value| !value.is_empty())
    };
    let own =
        variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(Path::new(variable("HOME")?).join(".config")));
    let shared = variable("XDG_CONFIG_DIRS").cloned().unwrap_or_else(|| "/etc/xdg".into());
    own.into_iter().chain(std::env::split_paths(&shared)).collect()
}

fn calm(text: &str) -> Option<String> {
    if text.contains("rebindOnMappingNotify") {
        return None;
    }
    let (before, after) = text.split_once("<keyboard>")?;
    Some(format!("{before}<keyboard>{CALM}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_configuration_comes_first_and_its_opinion_counts() {
        let [home, shared] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let write = |root: &Path, text: &str| {
            std::fs::create_dir_all(root.join("openbox")).unwrap();
            std::fs::write(root.join("openbox/rc.xml"), text).unwrap();
        };
        let [own, dirs] = [home.path().join(".config"), shared.path().to_owned()];
        let env = [("HOME", home.path()), ("XDG_CONFIG_DIRS", &dirs)].map(|(name, path)| (name.into(), path.into()));
        assert_eq!(configuration(&env), None);
        write(&dirs, "<a><keyboard><k/></keyboard></a>");
        assert_eq!(configuration(&env).unwrap(), format!("<a><keyboard>{CALM}<k/></keyboard></a>"));
        write(&own, "<b><keyboard></keyboard></b>");
        assert_eq!(configuration(&env).unwrap(), format!("<b><keyboard>{CALM}</keyboard></b>"));
        std::fs::write(own.join("openbox/rc.xml"), b"<keyboard>\xff").unwrap();
        assert_eq!(configuration(&env), None, "and not that of everybody");
        for opinion in ["<keyboard><rebindOnMappingNotify>yes</rebindOnMappingNotify></keyboard>", "<b/>", ""] {
            write(&own, opinion);
            assert_eq!(configuration(&env), None, "{opinion}");
        }
    }
}
