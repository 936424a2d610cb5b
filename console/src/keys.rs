//! Every key of the console in one table: key → action → description. Dispatch, the hints in the footer and the Help
//! screen are all made from it, so none of them can disagree.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::state::Screen;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Help,
    Filter,
    Command,
    Open,
    Back,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Sort,
    SortReverse,
    NextScreen,
    PreviousScreen,
    Alerts,
    Theme,
    Pause,
    AddStock,
    Admission,
    Cancel,
    Replay,
    Discard,
    Quit,
}

/// A heading of the Help screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Move,
    Look,
    Act,
}

/// One key that leads to an action.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chord {
    Plain(KeyCode),
    Ctrl(char),
}

impl Chord {
    fn is(self, key: &KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match self {
            Self::Plain(code) => key.code == code && !ctrl && !key.modifiers.contains(KeyModifiers::ALT),
            Self::Ctrl(letter) => key.code == Char(letter) && ctrl,
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// The keys, any of which does.
    pub(crate) chords: &'static [Chord],
    /// How the keys are written.
    pub(crate) keys: &'static str,
    /// What they do.
    pub(crate) action: Action,
    /// What that is, for the Help screen.
    pub(crate) about: &'static str,
    /// One or two words for the footer; none when the footer does not mention it.
    pub(crate) hint: Option<&'static str>,
    /// Where the keys work.
    pub(crate) on: &'static [Screen],
    /// Under which heading Help lists it.
    pub(crate) group: Group,
}

impl Binding {
    /// The console must have been started with `--operator`.
    pub(crate) fn needs_operator(&self) -> bool {
        self.group == Group::Act
    }

    /// What the keys do, for the Help screen. Where the service ends with the console, `quit` says too little.
    pub(crate) fn about(&self, owner: bool) -> &'static str {
        if owner && self.action == Action::Quit { "stop the service" } else { self.about }
    }

    /// The same for the footer.
    pub(crate) fn hint(&self, owner: bool) -> Option<&'static str> {
        if owner && self.action == Action::Quit { Some("stop") } else { self.hint }
    }
}

use Chord::{Ctrl, Plain};
use KeyCode::Char;

const ALL: &[Screen] = &[
    Screen::Campaigns,
    Screen::Campaign,
    Screen::Pipeline,
    Screen::DeadLetters,
    Screen::Letter,
    Screen::Audit,
    Screen::Act,
    Screen::Alerts,
    Screen::Help,
];
/// Where a line leads somewhere.
const DOORS: &[Screen] = &[Screen::Campaigns, Screen::Pipeline, Screen::DeadLetters, Screen::Audit];
const LISTS: &[Screen] = &[
    Screen::Campaigns,
    Screen::Campaign,
    Screen::Pipeline,
    Screen::DeadLetters,
    Screen::Audit,
    Screen::Alerts,
];
const TARGETS: &[Screen] = &[Screen::Campaigns, Screen::Campaign, Screen::Pipeline];
const LETTERS: &[Screen] = &[Screen::DeadLetters, Screen::Letter];

const fn binding(
    chords: &'static [Chord],
    keys: &'static str,
    action: Action,
    about: &'static str,
    hint: Option<&'static str>,
    on: &'static [Screen],
    group: Group,
) -> Binding {
    Binding { chords, keys, action, about, hint, on, group }
}

/// The table. The footer takes its hints in this order, as many as fit.
#[rustfmt::skip]
pub(crate) const BINDINGS: &[Binding] = &[
    binding(&[Plain(Char('?'))], "?", Action::Help, "this page", Some("help"), ALL, Group::Look),
    binding(&[Plain(Char('/'))], "/", Action::Filter, "filter the list", Some("filter"), LISTS, Group::Look),
    binding(&[Plain(Char('s'))], "s", Action::Sort, "sort by the next column", Some("sort"), LISTS, Group::Look),
    binding(&[Plain(Char('S'))], "S", Action::SortReverse, "turn the order round", None, LISTS, Group::Look),
    binding(&[Plain(KeyCode::Enter), Plain(KeyCode::Right), Plain(Char('l'))], "enter → l", Action::Open, "open what is selected", Some("open"), DOORS, Group::Move),
    binding(&[Plain(KeyCode::Esc), Plain(KeyCode::Left), Plain(Char('h'))], "esc ← h", Action::Back, "back, or drop the filter", Some("back"), ALL, Group::Move),
    binding(&[Plain(Char('p'))], "p", Action::Pause, "pause or resume", Some("pause"), TARGETS, Group::Act),
    binding(&[Plain(Char('+'))], "+", Action::AddStock, "add stock to its window", Some("stock"), TARGETS, Group::Act),
    binding(&[Plain(Char('a'))], "a", Action::Admission, "admit more or fewer people", None, TARGETS, Group::Act),
    binding(&[Plain(Char('x'))], "x", Action::Cancel, "cancel it for good", Some("cancel"), TARGETS, Group::Act),
    binding(&[Plain(Char('r'))], "r", Action::Replay, "replay the dead letter", Some("replay"), LETTERS, Group::Act),
    binding(&[Plain(Char('d'))], "d", Action::Discard, "discard the dead letter", Some("discard"), LETTERS, Group::Act),
    binding(&[Plain(Char(':'))], ":", Action::Command, "a command, see below", Some("go"), ALL, Group::Look),
    binding(&[Plain(Char('q')), Ctrl('c')], "q ^c", Action::Quit, "quit", Some("quit"), ALL, Group::Look),
    binding(&[Plain(KeyCode::Tab)], "tab", Action::NextScreen, "the next screen", Some("screen"), ALL, Group::Look),
    binding(&[Plain(KeyCode::BackTab)], "shift-tab", Action::PreviousScreen, "the screen before", None, ALL, Group::Look),
    binding(&[Plain(Char('!'))], "!", Action::Alerts, "all that is wrong", None, ALL, Group::Look),
    binding(&[Plain(Char('t'))], "t", Action::Theme, "other colours", None, ALL, Group::Look),
    binding(&[Plain(KeyCode::Up), Plain(Char('k'))], "↑ k", Action::Up, "up", None, ALL, Group::Move),
    binding(&[Plain(KeyCode::Down), Plain(Char('j'))], "↓ j", Action::Down, "down", None, ALL, Group::Move),
    binding(&[Plain(KeyCode::PageUp), Ctrl('b')], "pgup ^b", Action::PageUp, "a page up", None, ALL, Group::Move),
    binding(&[Plain(KeyCode::PageDown), Ctrl('f')], "pgdn ^f", Action::PageDown, "a page down", None, ALL, Group::Move),
    binding(&[Plain(KeyCode::Home), Plain(Char('g'))], "home g", Action::Top, "to the top", None, ALL, Group::Move),
    binding(&[Plain(KeyCode::End), Plain(Char('G'))], "end G", Action::Bottom, "to the bottom", None, ALL, Group::Move),
];

/// What the key does on that screen.
pub(crate) fn action(screen: Screen, key: &KeyEvent) -> Option<&'static Binding> {
    BINDINGS.iter().find(|line| line.on.contains(&screen) && line.chords.iter().any(|chord| chord.is(key)))
}

/// Ctrl-C ends the console, or asks whether to, whatever is typed.
pub(crate) fn is_interrupt(key: &KeyEvent) -> bool {
    Ctrl('c').is(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(chord: Chord) -> KeyEvent {
        match chord {
            Plain(code) => KeyEvent::new(code, KeyModifiers::NONE),
            Ctrl(letter) => KeyEvent::new(Char(letter), KeyModifiers::CONTROL),
        }
    }

    #[test]
    fn every_key_reaches_its_own_line_on_every_screen_it_names() {
        for line in BINDINGS {
            for screen in line.on {
                for chord in line.chords {
                    let found = action(*screen, &event(*chord)).map(|found| found.action);
                    assert_eq!(found, Some(line.action), "{chord:?} on {screen:?}");
                }
            }
        }
    }

    #[test]
    fn shift_does_not_hide_a_capital_and_control_is_another_key() {
        let capital = KeyEvent::new(Char('S'), KeyModifiers::SHIFT);
        assert_eq!(action(Screen::Campaigns, &capital).map(|line| line.action), Some(Action::SortReverse));
        let control = KeyEvent::new(Char('p'), KeyModifiers::CONTROL);
        assert!(action(Screen::Campaigns, &control).is_none());
        assert!(action(Screen::Help, &event(Plain(Char('s')))).is_none());
    }
}
