//! Who asked most often: what an operator looks at when somebody presses the button for thousands. People are counted
//! by the space-saving method of Metwally, Agrawal and El Abbadi, in memory that does not grow with the crowd, and on
//! the way of every ask, so nobody waits for it: an ask that would have to is not counted. User ids are personal: they
//! are no metric's label and stand in no log.

use std::cmp::Reverse;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use firstcome_shared::domain::UserId;
use foldhash::fast::FixedState;

/// Parts that are counted in side by side. A person belongs to one.
const SHARDS: usize = 16;
/// Most people that a part knows: whoever makes more than one in `SHARDS * KNOWN` of all asks is among them, or about.
/// So few that a search costs less than what it is about.
const KNOWN: usize = 128;

/// Those who asked most often, as far as a bounded memory can tell.
#[derive(Debug, Default)]
pub struct Askers {
    shards: [Mutex<Shard>; SHARDS],
}

/// Somebody, and how often they asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub user: UserId,
    /// So often at most.
    pub most: u64,
    /// So often at least: what came before them in their place may have been somebody else.
    pub least: u64,
}

/// Beside each other, so that a search runs through numbers alone.
#[derive(Debug, Default)]
struct Shard {
    hashes: Vec<u64>,
    counts: Vec<u64>,
    /// What the count was when this person took the place.
    taken_at: Vec<u64>,
    users: Vec<UserId>,
}

impl Askers {
    /// Counts one ask.
    pub(super) fn count(&self, user: &UserId) {
        let hash = FixedState::default().hash_one(user.as_str());
        let shard = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        if let Ok(mut shard) = self.shards[shard].try_lock() {
            shard.count(hash, user);
        }
    }

    /// Those who asked most often, at most `limit`: first who surely asked most.
    pub fn top(&self, limit: usize) -> Vec<Asker> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.users.iter().zip(shard.counts.iter().zip(&shard.taken_at)).map(
                |(user, (count, taken_at))| Asker {
                    user: user.clone(),
                    most: *count,
                    least: count - taken_at,
                },
            ));
        }
        all.sort_by(|a, b| {
            (Reverse(a.least), Reverse(a.most), &a.user).cmp(&(Reverse(b.least), Reverse(b.most), &b.user))
        });
        all.truncate(limit);
        all
    }
}

impl Shard {
    fn count(&mut self, hash: u64, user: &UserId) {
        let here = |place: &usize| self.hashes[*place] == hash && self.users[*place] == *user;
        if let Some(place) = (0..self.hashes.len()).find(here) {
            self.counts[place] += 1;
        } else if self.users.len() < KNOWN {
            self.hashes.push(hash);
            self.counts.push(1);
            self.taken_at.push(0);
            self.users.push(user.clone());
        } else if let Some((place, fewest)) = self.counts.iter().copied().enumerate().min_by_key(|(_, n)| *n)
        {
            // Whoever asked least often gives way. The count stays, so nobody who was counted is counted too low.
            self.hashes[place] = hash;
            self.counts[place] = fewest + 1;
            self.taken_at[place] = fewest;
            self.users[place] = user.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[test]
    fn a_small_crowd_is_counted_exactly_and_in_order() {
        let askers = Askers::default();
        for (name, times) in [("once", 1), ("thrice", 3), ("twice", 2), ("also-twice", 2)] {
            for _ in 0..times {
                askers.count(&user(name));
            }
        }
        let seen: Vec<_> = askers
            .top(3)
            .into_iter()
            .map(|asker| (asker.user.to_string(), asker.most, asker.least))
            .collect();
        let expected = [("thrice", 3, 3), ("also-twice", 2, 2), ("twice", 2, 2)];
        assert_eq!(seen, expected.map(|(name, most, least)| (name.to_owned(), most, least)));
    }

    /// A hundred thousand who ask once cannot hide those who ask all the time, and take no more memory than a few.
    #[test]
    fn a_crowd_hides_nobody_who_asks_all_the_time_and_does_not_grow() {
        let askers = Askers::default();
        let (bots, crowd) = (["bot-a", "bot-b", "bot-c"], 100_000_usize);
        for number in 0..crowd {
            askers.count(&user(&format!("person-{number}")));
            for (place, bot) in bots.iter().enumerate() {
                if number.is_multiple_of(50 * (place + 1)) {
                    askers.count(&user(bot));
                }
            }
        }
        let top = askers.top(10);
        for (asker, (bot, asked)) in top.iter().zip(bots.iter().zip([2_000_u64, 1_000, 667])) {
            assert_eq!(asker.user.as_str(), *bot);
            assert!(asker.least <= asked && asked <= asker.most, "{asker:?}, {asked}");
        }
        assert!(top[3].least < top[2].least, "{top:?}");
        for shard in &askers.shards {
            let shard = shard.lock().unwrap();
            let sizes = [shard.hashes.len(), shard.counts.len(), shard.taken_at.len(), shard.users.len()];
            assert_eq!(sizes, [KNOWN; 4]);
        }
    }

    #[test]
    fn an_ask_that_would_have_to_wait_is_left_out() {
        let askers = Askers::default();
        let held: Vec<_> = askers.shards.iter().map(|shard| shard.lock().unwrap()).collect();
        askers.count(&user("a"));
        drop(held);
        assert_eq!(askers.top(10), []);
        askers.count(&user("a"));
        assert_eq!(askers.top(10).len(), 1);
    }
}
