//! The live view of campaigns, from the gate.

use firstcome_shared::domain::{CampaignId, Window, state};
use firstcome_shared::wire::{Campaign, Page, Time, WindowView};

use super::Service;
use crate::gate::{Gate, View};
use crate::lane::NoAnswer;

impl Service {
    /// The gate's own look at a campaign.
    pub async fn look(&self, campaign: &CampaignId) -> Result<View, NoAnswer> {
        let lane = self.lane(campaign).await?;
        lane.read(Gate::view).await
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
        let names = self.log().campaigns(after, limit.saturating_add(1)).await;
        let mut names = names.map_err(|error| NoAnswer::Unavailable(error.to_string()))?;
        let more = names.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        names.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut items = Vec::with_capacity(names.len());
        for name in &names {
            let view = self.look(name).await?;
            items.push(on_wire(&view, self.epoch(name).await?));
        }
        let next = names.last().filter(|_| more).map(ToString::to_string);
        Ok(Page { items, next })
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
