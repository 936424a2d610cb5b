//! What each instance knows or does for itself: all of them are asked, or told.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use firstcome_shared::wire::{Asker, Page};
use futures::future::join_all;
use serde::Serialize;

use super::{Ask, Http};
use crate::message::Failure;

impl Http {
    /// Who asked most often, all servers together: each has counted those that it was asked by.
    pub(super) async fn askers(&self, id: &str) -> Result<Vec<Asker>, Failure> {
        let path = ["campaigns", id, "askers"];
        let pages = join_all((0..self.servers.len()).map(|at| self.get_of::<Page<Asker>>(at, &path))).await;
        let (mut counts, mut failure) = (BTreeMap::new(), None);
        let mut told = false;
        for page in pages {
            match page {
                Ok(page) => {
                    told = true;
                    for Asker { user_id, asks, at_least } in page.items {
                        let count: &mut (u64, u64) = counts.entry(user_id).or_default();
                        *count = (count.0.saturating_add(asks), count.1.saturating_add(at_least));
                    }
                }
                Err(other) => {
                    failure = failure.filter(|known: &Failure| !known.is_other_half()).or(Some(other));
                }
            }
        }
        if let Some(failure) = failure.filter(|_| !told) {
            return Err(failure);
        }
        let mut askers: Vec<Asker> =
            counts.into_iter().map(|(user_id, (asks, at_least))| Asker { user_id, asks, at_least }).collect();
        askers.sort_by_key(|asker| Reverse((asker.at_least, asker.asks)));
        Ok(askers)
    }

    /// Tells every server whose half knows the path, whatever the others say; then what the first said who did not do
    /// it.
    pub(super) async fn tell_each(&self, ask: &Ask<'_, impl Serialize>) -> Result<(), Failure> {
        let answers = join_all(self.servers.iter().map(|server| self.ask_one(server, ask))).await;
        let (mut done, mut failure) = (false, None);
        for (server, answer) in self.servers.iter().zip(answers) {
            match answer {
                Ok(_) => done = true,
                Err(other) if other.is_other_half() => failure = failure.or(Some(other)),
                Err(Failure::Unreachable(why)) => {
                    let (host, port) =
                        (server.host_str().unwrap_or_default(), server.port_or_known_default());
                    return Err(Failure::Unreachable(format!("{host}:{}: {why}", port.unwrap_or(0))));
                }
                Err(other) => return Err(other),
            }
        }
        failure.filter(|_| !done).map_or(Ok(()), Err)
    }
}
