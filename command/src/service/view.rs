//! The live view of campaigns, from the gate.

use std::time::Duration;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, Window, state};
use firstcome_shared::wire::{Campaign, CampaignState, CouponTerms, LimitPer, Page, Time, WindowView};
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::Service;
use crate::gate::{Gate, View};
use crate::lane::NoAnswer;

/// Campaigns that a list looks at together.
const AT_ONCE: usize = 8;
/// A gate that is not loaded by then is shown as unavailable, and is loaded all the same.
const PATIENCE: Duration = Duration::from_secs(3);

impl Service {
    /// The gate's own look at a campaign.
    pub async fn look(&self, campaign: &CampaignId) -> Result<View, NoAnswer> {
        let lane = self.lane(campaign).await?;
        lane.read(Gate::view).await
    }

    async fn item(&self, name: &CampaignId) -> Campaign {
        let seen =
            timeout(PATIENCE, async { Ok::<_, NoAnswer>((self.look(name).await?, self.epoch(name).await?)) });
        match seen.await {
            Ok(Ok((view, epoch))) => on_wire(&view, epoch),
            Ok(Err(_)) | Err(_) => unknown(name, self.clock().now()),
        }
    }

    /// The epoch known here; to be asked for after a look, which may have rebuilt the gate.
    async fn epoch(&self, campaign: &CampaignId) -> Result<u64, NoAnswer> {
        Ok(self.lane(campaign).await?.status().end().epoch)
    }

    /// One campaign, with all its windows.
    pub async fn campaign(&self, campaign: &CampaignId) -> Result<Campaign, NoAnswer> {
        let view = self.look(campaign).await?;
        let epoch = self.epoch(campaign).await?;
        let windows = view.definition.windows.iter().zip(&view.issued);
        let windows = windows.map(|(window, issued)| window_view(window, *issued)).collect();
        Ok(Campaign { windows: Some(windows), ..on_wire(&view, epoch) })
    }

    /// Campaigns by name, after `after`.
    pub async fn campaigns(&self, after: Option<&str>, limit: u32) -> Result<Page<Campaign>, NoAnswer> {
        let names = self.log().campaigns(after, limit.saturating_add(2)).await;
        let mut names = names.map_err(|error| NoAnswer::Unavailable(error.to_string()))?;
        names.retain(|name| *name != CampaignId::service());
        let more = names.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        names.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        // One campaign that cannot be looked at must not hide the others from who has to mend it.
        let looks: Vec<_> = names.iter().map(|name| self.item(name)).collect();
        let items = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let next = names.last().filter(|_| more).map(ToString::to_string);
        Ok(Page { items, next })
    }
}

/// A campaign of which only the name is known.
fn unknown(name: &CampaignId, now: Millis) -> Campaign {
    Campaign {
        id: name.to_string(),
        name: name.to_string(),
        state: CampaignState::Unavailable,
        reason: None,
        stock: 0,
        issued: 0,
        remaining: 0,
        window: None,
        windows: None,
        per_user_limit: 1,
        limit_per: LimitPer::Campaign,
        coupon: CouponTerms::default(),
        waiting_room: None,
        waiting: 0,
        active: 0,
        epoch: 0,
        now: Time(now),
    }
}

fn on_wire(view: &View, epoch: u64) -> Campaign {
    let definition = &view.definition;
    let (state, reason) = state(definition, view.flags, &view.issued, view.now).on_wire();
    let window = definition.open_window(view.now).or_else(|| definition.next_window(view.now));
    let (stock, issued) = (definition.stock(), view.issued.iter().sum());
    Campaign {
        id: definition.id.to_string(),
        name: definition.name.clone(),
        state,
        reason,
        stock,
        issued,
        remaining: stock.saturating_sub(issued),
        window: window.map(|index| window_view(&definition.windows[index], view.issued[index])),
        windows: None,
        per_user_limit: definition.per_user_limit,
        limit_per: definition.limit_per,
        coupon: (&definition.coupon).into(),
        waiting_room: definition.waiting_room,
        waiting: 0,
        active: 0,
        epoch,
        now: Time(view.now),
    }
}

fn window_view(window: &Window, issued: u64) -> WindowView {
    WindowView {
        id: window.id,
        opens_at: Time(window.opens_at),
        closes_at: Time(window.closes_at),
        stock: window.stock,
        issued,
        remaining: window.stock.saturating_sub(issued),
    }
}
