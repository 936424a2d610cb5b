//! The rules of ARCHITECTURE.md that the model can do without, one at a time: a rule that closes no hole would be noise,
//! and a model that finds no hole without it would prove nothing with it.

/// What an instance or the gate does wrong without the rule stands at the guard that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    L2,
    L3,
    G1,
    G2,
    G3,
    G4,
    G5,
    G7,
    A1,
    A2,
}

#[derive(Clone, Copy, Debug)]
pub struct Rules {
    without: Option<Rule>,
}

impl Rules {
    pub const ALL: Self = Self { without: None };

    pub const fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }

    pub fn keep(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
