//! The colours, by what they mean. Symbols and words say the same, so every theme, mono too, tells everything.

use ratatui::style::{Color, Modifier, Style};

use crate::ThemeName;

/// Styles by meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    /// What everything stands on.
    pub(crate) ground: Style,
    /// What is to be read.
    pub(crate) text: Style,
    /// What may be overlooked: labels, units, rules.
    pub(crate) dim: Style,
    /// Names and headings.
    pub(crate) title: Style,
    /// Bars, charts, keys.
    pub(crate) accent: Style,
    /// As it should be.
    pub(crate) good: Style,
    /// Worth a look.
    pub(crate) warn: Style,
    /// Not as it should be.
    pub(crate) bad: Style,
    /// Laid over the selected line.
    pub(crate) selected: Style,
    /// The empty part of a gauge, where a background can show it; else a glyph does.
    pub(crate) track: Option<Color>,
}

impl Theme {
    /// The theme of that name.
    pub(crate) fn new(name: ThemeName) -> Self {
        match name {
            ThemeName::Dark => Self::of_colours([245, 80, 114, 221, 203], 236, 238),
            ThemeName::Light => Self::of_colours([242, 25, 28, 130, 160], 254, 252),
            ThemeName::HighContrast => Self::high_contrast(),
            ThemeName::Mono => Self::mono(),
        }
    }

    /// From the 256 colours every terminal knows, on the terminal's own background.
    fn of_colours([dim, accent, good, warn, bad]: [u8; 5], selected: u8, track: u8) -> Self {
        let colour = |index| Style::new().fg(Color::Indexed(index));
        Self {
            ground: Style::new(),
            text: Style::new(),
            dim: colour(dim),
            title: Style::new().add_modifier(Modifier::BOLD),
            accent: colour(accent),
            good: colour(good),
            warn: colour(warn),
            bad: colour(bad).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(Color::Indexed(selected)).add_modifier(Modifier::BOLD),
            track: Some(Color::Indexed(track)),
        }
    }

    fn high_contrast() -> Self {
        let colour = |colour| Style::new().fg(colour).bg(Color::Black).add_modifier(Modifier::BOLD);
        Self {
            ground: Style::new().fg(Color::White).bg(Color::Black),
            text: Style::new().fg(Color::White),
            dim: Style::new().fg(Color::White),
            title: colour(Color::White),
            accent: colour(Color::LightCyan),
            good: colour(Color::LightGreen),
            warn: colour(Color::LightYellow),
            bad: colour(Color::LightRed),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            track: None,
        }
    }

    fn mono() -> Self {
        let plain = Style::new();
        Self {
            ground: plain,
            text: plain,
            dim: plain.add_modifier(Modifier::DIM),
            title: plain.add_modifier(Modifier::BOLD),
            accent: plain,
            good: plain,
            warn: plain.add_modifier(Modifier::BOLD),
            bad: plain.add_modifier(Modifier::BOLD),
            selected: plain.add_modifier(Modifier::REVERSED),
            track: None,
        }
    }
}
