//! A real terminal for a test: tmux with a socket of its own, in which a shell runs. Gone with the value.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::rig::{PATIENCE, firstcome};

const MISSING: &str = "tmux is missing: apt-get install tmux, or brew install tmux";
/// What the shell says when it waits.
const PROMPT: &str = "ready> ";

/// A terminal.
pub struct Tmux {
    folder: tempfile::TempDir,
}

impl Tmux {
    /// A terminal of that size with a shell that waits.
    pub async fn start(columns: u16, rows: u16) -> Self {
        let tmux = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(tmux.file("shell"), format!("PS1='{PROMPT}'\n")).unwrap();
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let shell = format!("ENV={} exec sh -i", tmux.file("shell").display());
        tmux.run(&["new-session", "-d", "-s", "t", "-x", &columns, "-y", &rows, &shell]);
        let keep = format!("cat >> {}", tmux.file("raw").display());
        tmux.run(&["pipe-pane", "-t", "t", "-O", &keep]);
        tmux.shows(PROMPT.trim_end()).await;
        tmux
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.file("socket")).args(["-u", "-f", "/dev/null"]).args(args);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("FIRSTCOME_") || name.starts_with("TMUX") || name == "NO_COLOR" {
                command.env_remove(name.as_ref());
            }
        }
        // A backtrace would push what a panic says out of sight.
        command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
        command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color").stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap_or_else(|error| panic!("{MISSING} ({error})"));
        assert!(output.status.success(), "tmux {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types text, letter by letter.
    pub fn types(&self, text: &str) {
        self.run(&["send-keys", "-t", "t", "-l", "--", text]);
    }

    /// Presses a key: `Enter`, `Escape`, `Tab`, `C-c`.
    pub fn presses(&self, key: &str) {
        self.run(&["send-keys", "-t", "t", key]);
    }

    /// Sends bytes as a terminal does: a click, or word that it lost the keyboard.
    pub fn sends(&self, bytes: &[u8]) {
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut args = vec!["send-keys", "-t", "t", "-H"];
        args.extend(bytes.iter().map(String::as_str));
        self.run(&args);
    }

    /// Has that many columns and rows from now on.
    pub fn resizes(&self, columns: u16, rows: u16) {
        self.run(&["resize-window", "-t", "t", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// What is to be seen.
    pub fn screen(&self) -> String {
        self.run(&["capture-pane", "-p", "-t", "t"])
    }

    /// Waits until `wanted` is to be seen, and returns all that is.
    pub async fn shows(&self, wanted: &str) -> String {
        self.comes_to(&format!("{wanted:?} is to be seen"), |screen| screen.contains(wanted)).await
    }

    /// Waits until `gone` is not to be seen any more.
    pub async fn hides(&self, gone: &str) -> String {
        self.comes_to(&format!("{gone:?} is gone"), |screen| !screen.contains(gone)).await
    }

    async fn comes_to(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < until, "within {PATIENCE:?} it did not come to this: {what}\n{screen}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Everything that was written to the terminal so far, escape sequences and all.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.file("raw")).unwrap_or_default()).into_owned()
    }

    /// Starts the binary in the shell; the shell tells with which code it was left.
    pub fn starts(&self, args: &str) {
        let (program, pid) = (firstcome(), self.file("pid"));
        // Its own number, so that it can be sent a signal.
        let script = format!(
            "#!/bin/sh\necho $$ > {pid}\nexec {binary} {args}\n",
            pid = pid.display(),
            binary = program.get_program().display()
        );
        std::fs::write(self.file("start"), script).unwrap();
        self.types(&format!("sh {}; echo left with $?.", self.file("start").display()));
        self.presses("Enter");
    }

    /// The number of what was started last.
    pub fn pid(&self) -> i32 {
        std::fs::read_to_string(self.file("pid")).unwrap().trim().parse().unwrap()
    }

    /// What was started has ended with this code, and the terminal is as it was before: nothing is left of its picture,
    /// line discipline, screen, cursor, mouse and focus reports are the shell's.
    pub async fn is_restored(&self, before: &Terminal, code: i32) -> String {
        let screen = self.shows(&format!("left with {code}.")).await;
        assert_eq!(self.terminal().await, *before, "\n{screen}");
        // What it wrote last comes through a pipe.
        let until = Instant::now() + PATIENCE;
        while let Some(altered) = altered(&self.raw()) {
            assert!(Instant::now() < until, "{altered}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        screen
    }

    /// How the terminal is set at present. The shell must be waiting.
    pub async fn terminal(&self) -> Terminal {
        let settings = self.file("stty");
        let _ = std::fs::remove_file(&settings);
        let done = self.file("stty-done");
        let _ = std::fs::remove_file(&done);
        self.types(&format!("clear; stty -a > {}; touch {}", settings.display(), done.display()));
        self.presses("Enter");
        let until = Instant::now() + PATIENCE;
        while !done.exists() {
            assert!(Instant::now() < until, "the shell does not answer:\n{}", self.screen());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let flags = "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{mouse_sgr_flag} #{keypad_flag}";
        Terminal {
            stty: std::fs::read_to_string(&settings).unwrap(),
            flags: self.run(&["display-message", "-p", "-t", "t", flags]),
        }
    }
}

/// What is not as it was before, after all that was written to a terminal.
fn altered(raw: &str) -> Option<String> {
    for (mode, name, off) in [
        ("1049", "the alternate screen", 'l'),
        ("1000", "mouse clicks", 'l'),
        ("1003", "mouse movements", 'l'),
        ("1006", "the mouse's format", 'l'),
        ("1004", "focus reports", 'l'),
        ("25", "the cursor", 'h'),
    ] {
        let Some(last) = raw.rfind(&format!("\u{1b}[?{mode}")) else {
            return Some(format!("{name} never set"));
        };
        if raw[last..].chars().nth(3 + mode.len()) != Some(off) {
            return Some(format!("{name} is not as it was"));
        }
    }
    None
}

/// How a terminal is set.
#[derive(Debug, PartialEq, Eq)]
pub struct Terminal {
    stty: String,
    flags: String,
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // What runs in it gets a hangup.
        let _ = self.command(&["kill-server"]).output();
    }
}
