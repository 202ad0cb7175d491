//! What has to be installed for a desktop, and the command that does it. Nothing is run here.

use std::path::Path;

use host::find;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu.
    Apt,
    /// Fedora, RHEL.
    Dnf,
    /// Alpine.
    Apk,
}

/// What is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// By whom.
    pub manager: Manager,
    /// Their names.
    pub names: Vec<&'static str>,
}

impl Manager {
    /// Every one that we know.
    pub const ALL: [Manager; 3] = [Manager::Apt, Manager::Dnf, Manager::Apk];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Manager::Apt => "apt",
            Manager::Dnf => "dnf",
            Manager::Apk => "apk",
        }
    }

    /// That of this machine.
    pub fn here() -> Option<Manager> {
        let program = |manager| match manager {
            Manager::Apt => "apt-get",
            Manager::Dnf => "dnf",
            Manager::Apk => "apk",
        };
        Manager::ALL.into_iter().find(|manager| find::program(Path::new(program(*manager)), &[]).is_ok())
    }
}

impl Packages {
    /// What all commands can use, or only what a desktop needs; without fonts where there are some.
    pub fn of(manager: Manager, minimal: bool, fonts: bool) -> Packages {
        let (needed, more, font) = match manager {
            Manager::Apt => (["xvfb", "openbox"], ["ffmpeg", "xdg-utils", "dbus-daemon"], "fonts-dejavu-core"),
            Manager::Dnf => {
                (["xorg-x11-server-Xvfb", "openbox"], ["ffmpeg-free", "xdg-utils", "dbus-daemon"], "dejavu-sans-fonts")
            }
            Manager::Apk => (["xvfb", "openbox"], ["ffmpeg", "xdg-utils", "dbus"], "font-dejavu"),
        };
        let more = more.into_iter().filter(|_| !minimal);
        Packages { manager, names: needed.into_iter().chain(more).chain(fonts.then_some(font)).collect() }
    }

    /// For a shell. Nothing else is upgraded, and nothing that is only recommended comes with it.
    pub fn command(&self, sudo: bool) -> String {
        let sudo = if sudo { "sudo " } else { "" };
        let names = self.names.join(" ");
        match self.manager {
            Manager::Apt => format!(
                "{sudo}apt-get update && {sudo}env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-upgrade --no-install-recommends {names}"
            ),
            Manager::Dnf => format!("{sudo}dnf install -y --setopt=install_weak_deps=False {names}"),
            Manager::Apk => format!("{sudo}apk add --no-cache {names}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manager_has_its_own_names() {
        let command = |manager, minimal, fonts| Packages::of(manager, minimal, fonts).command(true);
        assert_eq!(command(Manager::Apk, true, false), "sudo apk add --no-cache xvfb openbox");
        assert_eq!(command(Manager::Apk, false, false), "sudo apk add --no-cache xvfb openbox ffmpeg xdg-utils dbus");
        assert!(command(Manager::Dnf, true, true).ends_with(" xorg-x11-server-Xvfb openbox dejavu-sans-fonts"));
        let apt = Packages::of(Manager::Apt, true, true).command(false);
        assert!(apt.starts_with("apt-get update && env ") && apt.ends_with(" xvfb openbox fonts-dejavu-core"), "{apt}");
    }
}
