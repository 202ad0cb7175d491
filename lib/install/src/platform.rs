//! What kind of machine this is, and which package and program a recipe means on it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use agents::recipe::Recipe;

use crate::Error;
use crate::error::file;

/// A kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Platform {
    /// Its processor.
    pub(crate) cpu: Cpu,
    /// Programs here are linked with musl's C library.
    pub(crate) musl: bool,
    /// The processor lacks AVX2.
    pub(crate) baseline: bool,
}

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cpu {
    /// x86-64.
    X64,
    /// 64-bit ARM.
    Arm64,
}

impl Cpu {
    fn npm(self) -> &'static str {
        match self {
            Cpu::X64 => "x64",
            Cpu::Arm64 => "arm64",
        }
    }

    fn machine(self) -> &'static str {
        match self {
            Cpu::X64 => "x86_64",
            Cpu::Arm64 => "aarch64",
        }
    }
}

impl Platform {
    /// This machine.
    ///
    /// # Errors
    /// [`Error::Impossible`] on a processor for which nobody builds agents.
    pub(crate) fn here() -> Result<Platform, Error> {
        let cpu = if cfg!(target_arch = "x86_64") {
            Cpu::X64
        } else if cfg!(target_arch = "aarch64") {
            Cpu::Arm64
        } else {
            return Err(Error::Impossible {
                what: "agents".to_owned(),
                why: format!("there are none for {}", std::env::consts::ARCH),
            });
        };
        let glibc =
            ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].iter().any(|it| Path::new(it).exists());
        let musl = !glibc && Path::new(&format!("/lib/ld-musl-{}.so.1", cpu.machine())).exists();
        #[cfg(target_arch = "x86_64")]
        let baseline = !std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let baseline = false;
        Ok(Platform { cpu, musl, baseline })
    }

    /// Puts a version and this machine's names into a template of a recipe.
    pub(crate) fn fill(&self, template: &str, version: &str, recipe: &Recipe) -> String {
        let (any_libc, by_age) = match recipe {
            Recipe::Platform { any_libc, baseline, .. } => (*any_libc, *baseline),
            Recipe::BuiltIn | Recipe::Tree { .. } | Recipe::Archive { .. } => (true, false),
        };
        template
            .replace("{version}", version)
            .replace("{cpu}", self.cpu.npm())
            .replace("{machine}", self.cpu.machine())
            .replace("{musl}", if self.musl && !any_libc { "-musl" } else { "" })
            .replace("{baseline}", if self.baseline && by_age && self.cpu == Cpu::X64 { "-baseline" } else { "" })
    }

    /// Whether a program can run here: its processor, and the loader it asks for.
    ///
    /// # Errors
    /// [`Error::Foreign`], naming both sides.
    pub(crate) fn suits(&self, program: &Path) -> Result<(), Error> {
        let foreign = |why: String| Error::Foreign { program: program.to_owned(), why };
        let mut start = Vec::new();
        let opened = File::open(program).map_err(file("open", program))?;
        (&opened).take(64).read_to_end(&mut start).map_err(file("read", program))?;
        if start.starts_with(b"#!") {
            return Ok(());
        }
        let Some(elf) = Elf::read(&start) else {
            return Err(foreign("it is neither a Linux program nor a script".to_owned()));
        };
        if elf.machine != self.cpu.machine() {
            return Err(foreign(format!(
                "it is built for {}, and this machine is {}",
                elf.machine,
                self.cpu.machine()
            )));
        }
        if let Some(loader) = elf.loader(&opened)
            && !Path::new(&loader).exists()
        {
            let library = if loader.contains("musl") { "musl" } else { "glibc" };
            return Err(foreign(format!("it needs {library} ({loader}), which is not here")));
        }
        Ok(())
    }
}

/// The little we want to know of an ELF header (64 bit, little endian; System V ABI, "ELF header").
struct Elf {
    machine: &'static str,
    headers: u64,
    size: u64,
    count: u64,
}

impl Elf {
    fn read(start: &[u8]) -> Option<Elf> {
        if start.len() < 64 || !start.starts_with(b"\x7fELF") {
            return None;
        }
        let half = |at: usize| u16::from_le_bytes([start[at], start[at + 1]]);
        let machine = match (start[4], start[5], half(18)) {
            (2, 1, 62) => "x86_64",
            (2, 1, 183) => "aarch64",
            (_, _, 3) => "i386",
            (_, _, 40) => "arm",
            (2, 1, 243) => "riscv64",
            _ => "another processor",
        };
        let headers = u64::from_le_bytes(start[32..40].try_into().ok()?);
        Some(Elf { machine, headers, size: half(54).into(), count: half(56).into() })
    }

    /// The program that the kernel starts to load this one; none where it is linked statically.
    fn loader(&self, program: &File) -> Option<String> {
        for number in 0..self.count {
            let mut header = [0; 56];
            program.read_exact_at(&mut header, self.headers.checked_add(number * self.size)?).ok()?;
            let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
            // PT_INTERP
            if header[..4] == [3, 0, 0, 0] {
                let mut path = vec![0; usize::try_from(word(32).min(4096)).ok()?];
                program.read_exact_at(&mut path, word(8)).ok()?;
                return Some(String::from_utf8_lossy(&path).trim_end_matches('\0').to_owned());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use agents::recipe;

    use super::*;

    #[test]
    fn a_recipe_names_the_package_of_each_machine() {
        let x64 = Platform { cpu: Cpu::X64, musl: false, baseline: false };
        let old = Platform { cpu: Cpu::X64, musl: true, baseline: true };
        let arm = Platform { cpu: Cpu::Arm64, musl: true, baseline: true };
        let names = |install: &recipe::Install, platform: Platform| match install.recipe {
            Recipe::Platform { package, program, .. } => {
                format!(
                    "{} {}",
                    platform.fill(package, "1.2", &install.recipe),
                    platform.fill(program, "1.2", &install.recipe)
                )
            }
            Recipe::BuiltIn | Recipe::Tree { .. } | Recipe::Archive { .. } => panic!("no platform package"),
        };
        let codex = "@openai/codex@1.2-linux-x64 vendor/x86_64-unknown-linux-musl/bin/codex";
        assert_eq!(names(&recipe::CODEX, x64), codex);
        assert_eq!(names(&recipe::CODEX, old), codex, "one program for both libraries");
        assert_eq!(
            names(&recipe::CODEX, arm),
            "@openai/codex@1.2-linux-arm64 vendor/aarch64-unknown-linux-musl/bin/codex"
        );
        assert_eq!(names(&recipe::CLAUDE, x64), "@anthropic-ai/claude-code-linux-x64@1.2 claude");
        assert_eq!(names(&recipe::CLAUDE, old), "@anthropic-ai/claude-code-linux-x64-musl@1.2 claude");
        assert_eq!(names(&recipe::OPENCODE, old), "opencode-linux-x64-baseline-musl@1.2 bin/opencode");
        assert_eq!(names(&recipe::OPENCODE, arm), "opencode-linux-arm64-musl@1.2 bin/opencode");
    }

    #[test]
    fn our_own_program_suits_and_others_do_not() {
        let here = Platform::here().unwrap();
        let ourselves = std::env::current_exe().unwrap();
        here.suits(&ourselves).unwrap();
        let other = Platform { cpu: if here.cpu == Cpu::X64 { Cpu::Arm64 } else { Cpu::X64 }, ..here };
        let text = other.suits(&ourselves).unwrap_err().to_string();
        assert!(text.contains("it is built for") && text.contains("this machine is"), "{text}");
        let place = tempfile::tempdir().unwrap();
        let plain = place.path().join("plain");
        std::fs::write(&plain, "hello").unwrap();
        assert!(matches!(here.suits(&plain), Err(Error::Foreign { .. })));
        // A loader that is not here: ours, under another name.
        let mut bytes = std::fs::read(&ourselves).unwrap();
        let name: &[u8] = if here.cpu == Cpu::X64 { b"/ld-linux-x86-64" } else { b"/ld-linux-aarch64" };
        if let Some(at) = bytes.windows(name.len()).position(|window| window == name) {
            bytes[at + 1] = b'z';
            std::fs::write(&plain, bytes).unwrap();
            let text = here.suits(&plain).unwrap_err().to_string();
            assert!(text.contains("it needs glibc"), "{text}");
        }
    }
}
