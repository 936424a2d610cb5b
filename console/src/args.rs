//! The console's command line, and the same as a value for those who start the console in their own process.

use std::fmt;

use clap::ValueEnum;
use firstcome_shared::config;
use tokio::sync::watch;

/// The environment variable behind `--theme`.
pub const THEME_VARIABLE: &str = "FIRSTCOME_THEME";

/// What the console is told at its start.
#[derive(Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ConsoleArgs {
    /// Address of a server; several separated by commas, or repeated
    #[arg(
        long = "server",
        env = config::SERVER,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8080"
    )]
    pub servers: Vec<String>,

    /// API key, sent as bearer token
    #[arg(long, env = config::API_KEY, hide_env_values = true, value_name = "KEY")]
    pub api_key: Option<String>,

    /// Allow actions: pause, resume, add stock, admission, cancel, replay, discard; each asks first
    #[arg(long)]
    pub operator: bool,

    /// Print one snapshot and end
    #[arg(long)]
    pub once: bool,

    /// Print the snapshot as JSON
    #[arg(long, requires = "once")]
    pub json: bool,

    /// Colours; mono when absent and `NO_COLOR` is set
    #[arg(long, env = THEME_VARIABLE, value_enum, value_name = "THEME")]
    pub theme: Option<ThemeName>,

    /// Prometheus whose alerts are shown too
    #[arg(long, env = config::PROMETHEUS_URL, value_name = "URL")]
    pub prometheus: Option<String>,

    /// Never ring the bell and never send a desktop notification
    #[arg(long)]
    pub no_notify: bool,

    /// Start on this campaign
    #[arg(long, value_name = "ID", value_parser = campaign_id)]
    pub campaign: Option<String>,

    /// A line shown above everything, when somebody has something to say; for those who start the console in their
    /// own process.
    #[arg(skip)]
    pub banner: Option<watch::Receiver<Option<String>>>,

    /// Leaving the console stops a service in the same process: then it asks first, unless a signal ends it. For
    /// those who start the console in their own process.
    #[arg(skip)]
    pub owner: bool,
}

impl ConsoleArgs {
    /// A reader's console on one server, everything else as if no flag were given.
    pub fn for_server(url: impl Into<String>) -> Self {
        Self {
            servers: vec![url.into()],
            api_key: None,
            operator: false,
            once: false,
            json: false,
            theme: None,
            prometheus: None,
            no_notify: false,
            campaign: None,
            banner: None,
            owner: false,
        }
    }
}

// By hand: the key must not come out in a log.
impl fmt::Debug for ConsoleArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleArgs")
            .field("servers", &self.servers)
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .field("operator", &self.operator)
            .field("once", &self.once)
            .field("json", &self.json)
            .field("theme", &self.theme)
            .field("prometheus", &self.prometheus)
            .field("no_notify", &self.no_notify)
            .field("campaign", &self.campaign)
            .finish_non_exhaustive()
    }
}

/// A set of colours. None of them carries meaning alone: symbols and words always say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ThemeName {
    /// For terminals with a dark background.
    Dark,
    /// For terminals with a light background.
    Light,
    /// White and bright colours on black.
    HighContrast,
    /// No colour at all.
    Mono,
}

impl ThemeName {
    /// All of them, in the order in which a key leads through them.
    pub(crate) const ALL: [Self; 4] = [Self::Dark, Self::Light, Self::HighContrast, Self::Mono];

    /// What it is called on the command line and in the console.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::HighContrast => "high-contrast",
            Self::Mono => "mono",
        }
    }

    /// The next of all.
    pub(crate) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|theme| *theme == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// The theme asked for; else none of the colours when the user wants none (`NO_COLOR`), else dark.
    pub(crate) fn choose(asked: Option<Self>, no_color: Option<&std::ffi::OsStr>) -> Self {
        match asked {
            Some(theme) => theme,
            None if no_color.is_some_and(|value| !value.is_empty()) => Self::Mono,
            None => Self::Dark,
        }
    }
}

fn campaign_id(text: &str) -> Result<String, String> {
    let slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(slug) {
        return Err("a campaign id is 1 to 64 of a-z, 0-9 and -".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ConsoleArgs,
    }

    #[test]
    fn takes_several_servers_separated_or_repeated() {
        let line = Line::parse_from(["x", "--server", "http://a:1,http://b:2", "--server", "http://c:3"]);
        assert_eq!(line.args.servers, ["http://a:1", "http://b:2", "http://c:3"]);
    }

    #[test]
    fn refuses_what_cannot_be_a_campaign_and_json_without_once() {
        assert!(Line::try_parse_from(["x", "--campaign", "../secret"]).is_err());
        assert!(Line::try_parse_from(["x", "--campaign", "summer-1"]).is_ok());
        assert!(Line::try_parse_from(["x", "--json"]).is_err());
        assert!(Line::try_parse_from(["x", "--json", "--once"]).is_ok());
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        let args = ConsoleArgs { api_key: Some("s3cret".into()), ..ConsoleArgs::for_server("http://a") };
        assert!(!format!("{args:?}").contains("s3cret"));
    }

    #[test]
    fn no_color_means_mono_unless_a_theme_is_asked_for() {
        let set = Some(OsStr::new("1"));
        assert_eq!(ThemeName::choose(None, set), ThemeName::Mono);
        assert_eq!(ThemeName::choose(None, Some(OsStr::new(""))), ThemeName::Dark);
        assert_eq!(ThemeName::choose(Some(ThemeName::Light), set), ThemeName::Light);
    }
}
