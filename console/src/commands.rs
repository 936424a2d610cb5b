//! Every command that can be typed after `:`, in one table: name → action → what follows it. Dispatch, completion and
//! the Help screen are all made from it.

use crate::ThemeName;
use crate::state::{List, Screen, State};
use crate::update::Wish;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Shows a screen.
    Go(Screen),
    /// Shows what operators did, of one campaign when it is named.
    Audit,
    /// Filters the list on show.
    Filter,
    /// Sorts the list on show.
    Sort,
    /// Sets the colours.
    Theme,
    /// Asks whether to act on the campaign that is named, else on the selected one.
    Act(Wish),
    /// Ends the console.
    Quit,
    /// Panics, so that a test can see what is left of the terminal.
    #[cfg(debug_assertions)]
    Panic,
}

/// What may follow a command's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    Nothing,
    Campaign,
    Theme,
    Column,
    Text,
    Rate,
}

impl Argument {
    /// How it is written in Help.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Campaign => "[campaign]",
            Self::Theme => "[name]",
            Self::Column => "[column]",
            Self::Text => "[text]",
            Self::Rate => "number",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// What is typed.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) command: Command,
    /// What may follow.
    pub(crate) argument: Argument,
    /// What that is, for the Help screen; none: not mentioned there.
    pub(crate) about: Option<&'static str>,
}

const fn line(name: &'static str, command: Command, argument: Argument, about: &'static str) -> Line {
    Line { name, command, argument, about: Some(about) }
}

/// The table. Of those that begin alike the first one is completed first.
#[rustfmt::skip]
pub(crate) const COMMANDS: &[Line] = &[
    line("campaigns", Command::Go(Screen::Campaigns), Argument::Nothing, "all campaigns; its id alone opens one"),
    line("pipeline", Command::Go(Screen::Pipeline), Argument::Nothing, "how decisions flow into the stores"),
    line("dead-letters", Command::Go(Screen::DeadLetters), Argument::Nothing, "what a store could not apply"),
    line("audit", Command::Audit, Argument::Campaign, "what operators did"),
    line("alerts", Command::Go(Screen::Alerts), Argument::Nothing, "what is wrong, and what to do"),
    line("help", Command::Go(Screen::Help), Argument::Nothing, "this page"),
    line("filter", Command::Filter, Argument::Text, "filter the list; without text all of it"),
    line("sort", Command::Sort, Argument::Column, "sort the list by a column"),
    line("theme", Command::Theme, Argument::Theme, "dark, light, high-contrast, mono"),
    line("pause", Command::Act(Wish::Pause), Argument::Campaign, "pause it; asks first"),
    line("resume", Command::Act(Wish::Resume), Argument::Campaign, "resume it; asks first"),
    line("stock", Command::Act(Wish::Stock), Argument::Campaign, "add stock; asks how much"),
    line("admission", Command::Act(Wish::Admission), Argument::Campaign, "people admitted a second; asks how many"),
    line("cancel", Command::Act(Wish::Cancel), Argument::Campaign, "cancel it for good; asks first"),
    line("replay", Command::Act(Wish::Replay), Argument::Nothing, "replay the selected dead letter; asks first"),
    line("discard", Command::Act(Wish::Discard), Argument::Nothing, "discard it; asks first"),
    line("ledger-rate", Command::Act(Wish::LedgerRate), Argument::Rate, "coupons a second into the ledger, or none; asks first"),
    line("quit", Command::Quit, Argument::Nothing, "leave the console"),
    #[cfg(debug_assertions)]
    Line { name: "panic", command: Command::Panic, argument: Argument::Nothing, about: None },
];

/// The command of that name.
pub(crate) fn named(name: &str) -> Option<&'static Line> {
    COMMANDS.iter().find(|line| line.name == name)
}

/// All that can be meant by what is typed, whole lines, the likeliest first. A campaign's id is a command too: it
/// opens the campaign. One that is typed whole comes before what only begins like it.
pub(crate) fn completions(state: &State, typed: &str) -> Vec<String> {
    let typed = typed.trim_start();
    if typed.is_empty() {
        return Vec::new();
    }
    if let Some((name, argument)) = typed.split_once(' ') {
        let Some(line) = named(name) else { return Vec::new() };
        let begins = |word: &str| word.starts_with(argument);
        let whole = |word: &str| format!("{name} {word}");
        return match line.argument {
            Argument::Campaign => campaigns(state).filter(|id| begins(id)).map(whole).collect(),
            Argument::Theme => ThemeName::ALL
                .iter()
                .map(|theme| theme.word())
                .filter(|word| begins(word))
                .map(whole)
                .collect(),
            Argument::Column => {
                let keys = state.list().map(List::keys).unwrap_or_default();
                keys.into_iter().filter(|word| begins(word)).map(whole).collect()
            }
            Argument::Rate => ["none"].into_iter().filter(|word| begins(word)).map(whole).collect(),
            Argument::Text | Argument::Nothing => Vec::new(),
        };
    }
    let exact = campaigns(state).find(|id| *id == typed);
    // What Help does not mention must be typed whole.
    let commands = COMMANDS.iter().filter(|line| line.about.is_some() || line.name == typed);
    let begin = commands.map(|line| line.name).chain(campaigns(state)).filter(|name| name.starts_with(typed));
    let mut found: Vec<String> = exact.into_iter().chain(begin).map(str::to_owned).collect();
    let mut known = std::collections::BTreeSet::new();
    found.retain(|name| known.insert(name.clone()));
    found
}

fn campaigns(state: &State) -> impl Iterator<Item = &str> {
    state.campaigns.all().map(|entry| entry.view.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::state;

    #[test]
    fn names_are_told_apart_and_none_has_a_space() {
        let mut names: Vec<_> = COMMANDS.iter().map(|line| line.name).collect();
        assert!(names.iter().all(|name| !name.contains(' ')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COMMANDS.len());
    }

    #[test]
    fn completes_commands_campaigns_and_what_follows_them() {
        let state = state(80, 24, true);
        assert_eq!(completions(&state, ""), [] as [&str; 0]);
        assert_eq!(completions(&state, "d"), ["dead-letters", "discard", "daily-coffee"]);
        assert_eq!(completions(&state, "pause win"), ["pause winter-sale"]);
        assert_eq!(
            completions(&state, "theme "),
            ["theme dark", "theme light", "theme high-contrast", "theme mono"]
        );
        assert_eq!(completions(&state, "sort i"), ["sort id", "sort issued", "sort issues/s"]);
        assert_eq!(completions(&state, "pan"), [] as [&str; 0]);
        assert_eq!(completions(&state, "nothing x"), [] as [&str; 0]);
    }
}
