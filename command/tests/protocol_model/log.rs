//! The log: the truth, and the one compare-and-set against double writing. Everything that is folded from it is
//! written here once, for the rebuilder and for the properties alike.

use crate::state::{Coupon, End, Message, Position, State};

pub fn position(index: usize) -> Position {
    Position::try_from(index).expect("a bounded model's log is short")
}

impl State {
    /// L1: the compare-and-set. A copy that expects a position that has passed can never be stored any more, so it
    /// is forgotten here: positions never recur.
    pub fn store(&mut self, message: Message) -> bool {
        let accepted = message.prev == self.end().position;
        if accepted {
            self.log.push(message);
            let end = self.end().position;
            self.late_appends.retain(|late| late.prev >= end);
        }
        accepted
    }

    pub fn last_message(&self) -> &Message {
        self.log.last().expect("a campaign's log begins with campaign_created")
    }

    /// L6: the end, read through the leader.
    pub fn end(&self) -> End {
        let message = self.last_message();
        End { position: position(self.log.len()), epoch: message.epoch, last: message.last }
    }

    /// Every coupon of the log up to a position, in the log's order.
    pub fn coupons_up_to(&self, end: Position) -> impl Iterator<Item = &Coupon> {
        self.log[..usize::from(end)].iter().flat_map(Message::entries).flat_map(|entry| &entry.coupons)
    }

    pub fn coupons(&self) -> impl Iterator<Item = &Coupon> {
        self.coupons_up_to(self.end().position)
    }
}
