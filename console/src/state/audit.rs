//! The audit log as far as it has been fetched: the newest page again and again, older ones when somebody scrolls there.

use firstcome_shared::wire::{AuditEntry, Page};

use super::table::Table;
use crate::message::Audit;

/// Entries, newest first, and where the next older page begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditLog {
    /// The entries.
    pub(crate) table: Table<AuditEntry>,
    /// Only of this campaign.
    pub(crate) campaign: Option<String>,
    /// The cursor of the page behind what is here; none: that was all.
    pub(crate) next: Option<String>,
    /// It is fetched at present.
    pub(crate) followed: bool,
    /// The page that was asked for and has not come.
    awaited: Option<String>,
}

impl AuditLog {
    /// The log of one campaign or of all, of which nothing was fetched.
    pub(crate) fn of(campaign: Option<String>) -> Self {
        Self { campaign, ..Self::default() }
    }

    /// The part that is fetched again and again.
    pub(crate) fn newest(&self) -> Audit {
        Audit { campaign: self.campaign.clone(), after: None }
    }

    /// The next older page, unless it was asked for already or there is none.
    pub(crate) fn older(&mut self) -> Option<Audit> {
        let after = self.next.clone().filter(|next| self.awaited.as_ref() != Some(next))?;
        self.awaited = Some(after.clone());
        Some(Audit { campaign: self.campaign.clone(), after: Some(after) })
    }

    /// A page did not come: it may be asked for again.
    pub(crate) fn missed(&mut self, part: &Audit) {
        if self.awaited == part.after {
            self.awaited = None;
        }
    }

    /// Takes a page in.
    pub(crate) fn take(&mut self, part: &Audit, page: Page<AuditEntry>) {
        if part.campaign != self.campaign {
            return;
        }
        let known = self.table.all();
        let rows = if part.after.is_some() {
            if part.after != self.next {
                return;
            }
            self.awaited = None;
            self.next = page.next;
            known.iter().cloned().chain(page.items).collect()
        } else {
            // Entries that came since stand before those that are known. Nothing in common: the known ones are too old
            // to be joined without a gap.
            let seam = page.items.last().and_then(|last| known.iter().position(|entry| entry == last));
            if let Some(seam) = seam {
                page.items.into_iter().chain(known[seam + 1..].iter().cloned()).collect()
            } else {
                (self.next, self.awaited) = (page.next, None);
                page.items
            }
        };
        if self.table.all() != rows {
            self.table.replace(rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::audit_entry;

    fn page(sequences: impl IntoIterator<Item = u64>, next: Option<&str>) -> Page<AuditEntry> {
        Page { items: sequences.into_iter().map(audit_entry).collect(), next: next.map(str::to_owned) }
    }

    fn sequences(log: &AuditLog) -> Vec<u64> {
        log.table.all().iter().map(|entry| entry.position.sequence).collect()
    }

    #[test]
    fn newer_entries_and_older_pages_join_without_gap_or_repetition() {
        let mut log = AuditLog::of(None);
        let newest = log.newest();
        log.take(&newest, page([9, 8, 7], Some("7")));
        let older = log.older().unwrap();
        assert_eq!(older.after.as_deref(), Some("7"));
        assert_eq!(log.older(), None, "asked for once");
        log.take(&newest, page([11, 10, 9], Some("9")));
        log.take(&older, page([6, 5], None));
        assert_eq!((sequences(&log), log.older()), (vec![11, 10, 9, 8, 7, 6, 5], None));
        // So many new ones that the newest page does not reach the known ones.
        log.take(&newest, page([30, 29, 28], Some("28")));
        assert_eq!((sequences(&log), log.next.as_deref()), (vec![30, 29, 28], Some("28")));
        // A page of another campaign, or one that is no longer the next.
        log.take(&Audit { campaign: Some("x".into()), after: None }, page([1], None));
        log.take(&older, page([6, 5], None));
        assert_eq!(sequences(&log), [30, 29, 28]);
        let again = log.older().unwrap();
        log.missed(&again);
        assert_eq!(log.older(), Some(again));
    }
}
