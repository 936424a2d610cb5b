//! A desktop notification, as terminals take it: OSC 9, OSC 777 and the bell, whichever of them this one knows.

use crate::text;

const TITLE: &str = "firstcome";

/// The bytes that make a terminal notify. Inside tmux each sequence is wrapped, so that tmux may hand it on; the bell
/// it knows itself.
pub(crate) fn sequences(message: &str, inside_tmux: bool) -> String {
    // A semicolon ends a field; what moves cursors or ends sequences is gone.
    let message = text::plain(message).replace(';', ",");
    let wrapped = |sequence: String| {
        if inside_tmux {
            format!("\u{1b}Ptmux;{}\u{1b}\\", sequence.replace('\u{1b}', "\u{1b}\u{1b}"))
        } else {
            sequence
        }
    };
    let nine = wrapped(format!("\u{1b}]9;{TITLE}: {message}\u{7}"));
    let seven = wrapped(format!("\u{1b}]777;notify;{TITLE};{message}\u{7}"));
    format!("{nine}{seven}\u{7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sent_in_every_way_a_terminal_may_know() {
        assert_eq!(
            sequences("summer is sold out", false),
            "\u{1b}]9;firstcome: summer is sold out\u{7}\u{1b}]777;notify;firstcome;summer is sold out\u{7}\u{7}"
        );
        assert_eq!(
            sequences("x", true),
            "\u{1b}Ptmux;\u{1b}\u{1b}]9;firstcome: x\u{7}\u{1b}\\\
             \u{1b}Ptmux;\u{1b}\u{1b}]777;notify;firstcome;x\u{7}\u{1b}\\\u{7}"
        );
    }

    #[test]
    fn a_name_from_elsewhere_cannot_end_the_sequence() {
        let sent = sequences("a\u{7}b\u{1b}\\c;d", false);
        assert_eq!(sent.matches('\u{7}').count(), 3, "{sent:?}");
        assert!(sent.contains("ab\\c,d"), "{sent:?}");
    }
}
