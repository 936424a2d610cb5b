//! Which columns the Campaigns table has and how wide they are: as rich as the terminal is wide, and never wider.

use crate::state::{Campaigns, Largest, SortKey};
use crate::text;

/// A column of the Campaigns table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Id,
    Name,
    State,
    Gauge,
    Left,
    Stock,
    Issued,
    Rate,
    Trend,
    Waiting,
    Outbox,
    Until,
}

impl Column {
    /// What stands above it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Id => "CAMPAIGN",
            Self::Name => "NAME",
            Self::State => "STATE",
            Self::Gauge => "STOCK",
            Self::Left => "LEFT",
            Self::Stock => "OF",
            Self::Issued => "ISSUED",
            Self::Rate => "/S",
            Self::Trend => "TREND",
            Self::Waiting => "WAITING",
            Self::Outbox => "OUTBOX",
            Self::Until => "NEXT",
        }
    }

    /// Numbers stand at the right.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Left | Self::Stock | Self::Issued | Self::Rate | Self::Waiting | Self::Outbox)
    }

    /// The order that this column shows.
    pub(crate) fn sort(self) -> Option<SortKey> {
        match self {
            Self::Id => Some(SortKey::Id),
            Self::State => Some(SortKey::State),
            Self::Left => Some(SortKey::Left),
            Self::Issued => Some(SortKey::Issued),
            Self::Rate => Some(SortKey::Rate),
            Self::Waiting => Some(SortKey::Waiting),
            Self::Until => Some(SortKey::Until),
            Self::Name | Self::Gauge | Self::Stock | Self::Trend | Self::Outbox => None,
        }
    }
}

/// One column in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Which.
    pub(crate) column: Column,
    /// Cells from the left.
    pub(crate) x: u16,
    /// Cells wide.
    pub(crate) width: u16,
}

/// One way to lay the table out, from rich to poor.
struct Plan {
    gap: u16,
    gauge: u16,
    trend: u16,
    until: u16,
    columns: &'static [Column],
}

use Column::{Gauge, Id, Issued, Left, Name, Outbox, Rate, State, Stock, Trend, Until, Waiting};

/// Everything.
const ALL: &[Column] = &[Id, Name, State, Gauge, Left, Stock, Issued, Rate, Trend, Waiting, Outbox, Until];
/// Stock is left and issued together, where there is one window.
const NAMED: &[Column] = &[Id, Name, State, Gauge, Left, Issued, Rate, Trend, Waiting, Outbox, Until];
const PLAIN: &[Column] = &[Id, State, Gauge, Left, Issued, Rate, Trend, Waiting, Outbox, Until];
const FEW: &[Column] = &[Id, State, Gauge, Left, Rate, Trend, Waiting, Outbox, Until];
const FEWEST: &[Column] = &[Id, State, Gauge, Left, Rate, Trend, Until];

const PLANS: [Plan; 8] = [
    Plan { gap: 2, gauge: 16, trend: 16, until: 14, columns: ALL },
    Plan { gap: 2, gauge: 10, trend: 10, until: 7, columns: ALL },
    Plan { gap: 2, gauge: 8, trend: 8, until: 7, columns: NAMED },
    Plan { gap: 2, gauge: 10, trend: 10, until: 7, columns: PLAIN },
    Plan { gap: 1, gauge: 7, trend: 7, until: 7, columns: PLAIN },
    Plan { gap: 1, gauge: 6, trend: 6, until: 7, columns: PLAIN },
    Plan { gap: 1, gauge: 6, trend: 5, until: 7, columns: FEW },
    Plan { gap: 1, gauge: 5, trend: 5, until: 7, columns: FEWEST },
];

/// The most that gauge and trend each get of what is left over.
const MORE: u16 = 12;
/// The least that gauge and trend each keep beside a name that is cut.
const LEAST_PICTURE: u16 = 6;
/// The heading of the ids with its arrow.
const LEAST_ID: u16 = 9;

/// The richest table that fits into so many cells and still shows the ids.
pub(crate) fn columns(campaigns: &Campaigns, width: u16) -> Vec<Placed> {
    let widths = Widths::of(campaigns);
    let poorest = PLANS.len() - 1;
    for (rank, plan) in PLANS.iter().enumerate() {
        let columns: Vec<Column> = plan
            .columns
            .iter()
            .copied()
            .filter(|column| *column != Waiting || widths.waiting.is_some())
            .collect();
        let gaps = plan.gap * u16::try_from(columns.len() - 1).unwrap_or(0);
        let fixed: u16 = columns.iter().map(|column| widths.of_column(*column, plan)).sum();
        let room = width.saturating_sub(fixed + gaps);
        let named = columns.contains(&Name);
        // Ids may be 64 letters long; they are cut before the table loses half its columns.
        let id = widths.id.clamp(LEAST_ID, if named { 24 } else { 14 });
        let least = id + if named { 12 } else { 0 };
        if room < least && rank < poorest {
            continue;
        }
        // What is left over goes to the name, or to the ids where there is none, and then to the pictures.
        let id = if named { id } else { widths.id.max(LEAST_ID) };
        let id = id.min(room);
        // A name that would be cut gets what the pictures can do without.
        let wanted = if named { widths.name.max(4) } else { 0 };
        let lacking = wanted.saturating_sub(room.saturating_sub(id));
        let from_trend = lacking.div_ceil(2).min(plan.trend.saturating_sub(LEAST_PICTURE));
        let from_gauge = (lacking - from_trend).min(plan.gauge.saturating_sub(LEAST_PICTURE));
        let name = wanted.min(room.saturating_sub(id) + from_trend + from_gauge);
        let more = (room.saturating_sub(id + name) / 2).min(MORE);
        let mut x = 0;
        let place = |column: Column| {
            let width = match column {
                Id => id,
                Name => name,
                Gauge => plan.gauge - from_gauge + more,
                Trend => plan.trend - from_trend + more,
                other => widths.of_column(other, plan),
            };
            let placed = Placed { column, x, width };
            x += width + plan.gap;
            placed
        };
        return columns.into_iter().map(place).collect();
    }
    Vec::new()
}

/// How wide the widest value of each column is.
struct Widths {
    id: u16,
    name: u16,
    state: u16,
    left: u16,
    stock: u16,
    issued: u16,
    rate: u16,
    /// None: there is no waiting room, and nothing to show.
    waiting: Option<u16>,
}

impl Widths {
    fn of(campaigns: &Campaigns) -> Self {
        let Largest { id, name, state, left, stock, issued, rate, waiting } = campaigns.largest();
        let number = |number: u64, title: usize| {
            text::width(&text::count(number)).max(u16::try_from(title).unwrap_or(0))
        };
        Self {
            id,
            name: name.min(32),
            state: state.max(11),
            left: number(left, 5),
            stock: number(stock, 3),
            issued: number(issued, 7),
            rate: number(rate, 4),
            waiting: waiting.map(|waiting| number(waiting, 8)),
        }
    }

    /// Id and name take what is left, so they count nothing here.
    fn of_column(&self, column: Column, plan: &Plan) -> u16 {
        match column {
            Id | Name => 0,
            State => self.state,
            Gauge => plan.gauge,
            Left => self.left,
            Stock => self.stock,
            Issued => self.issued,
            Rate => self.rate,
            Trend => plan.trend,
            Waiting => self.waiting.unwrap_or(0),
            Outbox => 6,
            Until => plan.until,
        }
    }
}
