//! Who asked most often: what an operator looks at when somebody presses the button for thousands. People are counted
//! by the space-saving method of Metwally, Agrawal and El Abbadi, in memory that does not grow with the crowd, and on
//! the way of every ask, so nobody waits for it: an ask that would have to is not counted. Whoever asks once leaves no
//! more than a hash behind. User ids are personal: they are no metric's label and stand in no log.

use std::cmp::Reverse;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use firstcome_shared::domain::UserId;
use foldhash::fast::FixedState;

/// Parts that are counted in side by side. A person belongs to one.
const SHARDS: usize = 256;
/// Most people that a part knows: whoever makes more than one in `SHARDS * KNOWN` of all asks is among them, or about.
/// So few that a search costs less than what it is about.
const KNOWN: usize = 8;

/// Those who asked more than once, as far as a bounded memory can tell.
#[derive(Debug)]
pub struct Askers {
    shards: Box<[Mutex<Vec<Place>>]>,
}

/// Somebody, and how often they asked, as counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub user: UserId,
    /// How often, with what may have been others before them in their place.
    pub most: u64,
    /// How often since they have it.
    pub least: u64,
}

/// A place among the known. Two people of one hash would share it.
#[derive(Debug)]
struct Place {
    hash: u64,
    count: u64,
    /// What the count was when this person took the place.
    taken_at: u64,
    /// Their name, once they have come back.
    user: Option<UserId>,
}

impl Default for Askers {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Askers {
    /// Counts one ask.
    pub(super) fn count(&self, user: &UserId) {
        let hash = FixedState::default().hash_one(user.as_str());
        let shard = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        if let Ok(mut places) = self.shards[shard].try_lock() {
            count(&mut places, hash, user);
        }
    }

    /// Those who asked most often, at most `limit`: first who surely asked most.
    pub fn top(&self, limit: usize) -> Vec<Asker> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let places = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(places.iter().filter_map(|place| {
                let user = place.user.clone()?;
                Some(Asker { user, most: place.count, least: place.count - place.taken_at })
            }));
        }
        all.sort_by(|a, b| {
            (Reverse(a.least), Reverse(a.most), &a.user).cmp(&(Reverse(b.least), Reverse(b.most), &b.user))
        });
        all.truncate(limit);
        all
    }
}

fn count(places: &mut Vec<Place>, hash: u64, user: &UserId) {
    if let Some(place) = places.iter_mut().find(|place| place.hash == hash) {
        place.count += 1;
        place.user.get_or_insert_with(|| user.clone());
    } else if places.len() < KNOWN {
        places.push(Place { hash, count: 1, taken_at: 0, user: None });
    } else if let Some(place) = places.iter_mut().min_by_key(|place| place.count) {
        // Whoever asked least often gives way. The count stays, so that nobody who comes back is counted too low.
        *place = Place { hash, count: place.count + 1, taken_at: place.count, user: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[test]
    fn a_small_crowd_is_counted_exactly_and_in_order_but_for_those_who_came_once() {
        let askers = Askers::default();
        for (name, times) in [("once", 1), ("thrice", 3), ("twice", 2), ("also-twice", 2)] {
            for _ in 0..times {
                askers.count(&user(name));
            }
        }
        let seen: Vec<_> = askers
            .top(4)
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
        assert_eq!(top.len(), bots.len(), "nobody is listed who asked once: {top:?}");
        for shard in &askers.shards {
            assert_eq!(shard.lock().unwrap().len(), KNOWN);
        }
    }

    #[test]
    fn an_ask_that_would_have_to_wait_is_left_out() {
        let askers = Askers::default();
        let held: Vec<_> = askers.shards.iter().map(|shard| shard.lock().unwrap()).collect();
        askers.count(&user("a"));
        drop(held);
        askers.count(&user("a"));
        assert_eq!(askers.top(10), []);
        askers.count(&user("a"));
        assert_eq!(askers.top(10), [Asker { user: user("a"), most: 2, least: 2 }]);
    }
}
