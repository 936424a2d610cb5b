//! The README's pictures are of a real terminal, so their numbers are their own; but what they say is what the screens
//! say today.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const README: &str = include_str!("../../../../README.md");
/// What an alert says is written there.
const RULES: &str = include_str!("../../state/alerts/rules.rs");
/// Names of campaigns, and the line that only the demo has.
const OWN: &str = "advent demo asked answers early";

/// The words of a text, without codes, ids and numbers.
fn words(text: &str) -> BTreeSet<&str> {
    let plain = |token: &&str| !token.contains('·') && !token.contains(|c: char| c.is_ascii_digit());
    text.split_whitespace()
        .filter(plain)
        .flat_map(|token| token.split(|c: char| !c.is_alphabetic()))
        .filter(|word| word.len() > 2)
        .collect()
}

#[test]
fn the_readmes_pictures_say_what_the_screens_say() {
    let pictures: Vec<_> =
        README.split("```").filter(|block| block.starts_with("\n firstcome  127.0.0.1")).collect();
    assert_eq!(pictures.len(), 2, "the campaign's screen and the pipeline's");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/view/snapshots");
    let mut said = format!("{RULES} {OWN} ");
    for screen in fs::read_dir(folder).unwrap() {
        said += &fs::read_to_string(screen.unwrap().path()).unwrap();
    }
    let said = words(&said);
    for picture in pictures {
        let stale: Vec<_> = words(picture).into_iter().filter(|word| !said.contains(word)).collect();
        assert_eq!(stale, [""; 0], "{picture}");
    }
}
