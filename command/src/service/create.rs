//! Creating a campaign: the log itself refuses a second one of the same name, then the gate is loaded like after a
//! rebuild.

use std::sync::Arc;

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::random_hex;
use firstcome_shared::domain::{Book, CampaignId, Definition, Invalid, create};
use firstcome_shared::event::{Actor, Entry, Event, Message, VERSION};
use firstcome_shared::event_log::{AppendError, LogUnavailable, Subject};
use firstcome_shared::wire;

use super::Service;
use crate::gate::{Load, Logged};
use crate::lane::{NoAnswer, append};

/// Why there is no new campaign.
#[derive(Debug, thiserror::Error)]
pub enum NotCreated {
    /// A field is not allowed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A campaign of that name exists, or existed.
    #[error("a campaign named {0} exists")]
    Exists(CampaignId),
    /// Not known; asking again tells.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

impl Service {
    /// Creates a campaign.
    pub async fn create(
        &self,
        request: &wire::CreateCampaign,
        actor: impl Into<Actor<'_>>,
    ) -> Result<wire::Campaign, NotCreated> {
        self.intact()?;
        let parts = self.lanes.parts();
        let definition = create::definition(request, parts.secret.key_id())?;
        let now = parts.clock.now();
        if definition.windows.iter().all(|window| window.closes_at <= now) {
            return Err(Invalid::new("closes_at", "must not be in the past").into());
        }
        let campaign = definition.id.clone();
        let away = |error: &dyn std::fmt::Display| NoAnswer::Unavailable(error.to_string());
        let incarnation = parts.gate.incarnation(&campaign).await.map_err(|error| away(&error))?;
        let nonce = random_hex::<8>();
        let message = created(self.log().identity(), &definition, now, &incarnation, &nonce, actor.into());
        let sequence = self.append_first(&campaign, &message).await?;

        let load = Load {
            log: self.log().identity().to_owned(),
            epoch: 1,
            incarnation,
            nonce,
            book: Book::new(definition),
            logged: Logged { decision: 0, sequence },
        };
        // Not loaded: whoever asks first finds a gate that has forgotten, and rebuilds it.
        if let Err(error) = parts.gate.load(&campaign, load).await {
            tracing::warn!(%campaign, %error, "the gate was not loaded with the new campaign; the first ask will");
        }
        self.lanes.open(&campaign, Chain::at(sequence, &message));
        Ok(self.campaign(&campaign).await?)
    }

    /// Appends the campaign's first message; in doubt, the first message tells whose it is (ARCHITECTURE L4).
    async fn append_first(&self, campaign: &CampaignId, message: &Message) -> Result<u64, NotCreated> {
        let (log, subject) = (Arc::clone(&self.lanes.parts().log), Subject::decisions(campaign));
        let (bytes, nonce) = (message.encode(), message.nonce.clone());
        let first = async move {
            loop {
                match append(&*log, &subject, 0, &bytes).await {
                    Ok(sequence) => return Ok(Some(sequence)),
                    Err(AppendError::InProcess) => {
                        return Err(LogUnavailable::new("an append is in process and does not end"));
                    }
                    Err(AppendError::Refused { .. }) => {
                        let first = log.first(&subject).await?;
                        let mine = first.filter(|first| {
                            Message::decode(&first.payload).is_ok_and(|message| message.nonce == nonce)
                        });
                        return Ok(mine.map(|first| first.position.sequence));
                    }
                    Err(AppendError::Unavailable(error)) => match log.first(&subject).await? {
                        // Stored after all, by me or by somebody else: the refusal of a second copy tells.
                        Some(_) => {}
                        None => return Err(error),
                    },
                }
            }
        };
        // A task of its own: a caller who hangs up does not leave an append half done.
        match tokio::spawn(first).await {
            Ok(Ok(Some(sequence))) => Ok(sequence),
            Ok(Ok(None)) => Err(NotCreated::Exists(campaign.clone())),
            Ok(Err(error)) => Err(NoAnswer::Unavailable(error.to_string()).into()),
            Err(died) => Err(NoAnswer::Unavailable(died.to_string()).into()),
        }
    }
}

fn created(
    log: &str,
    definition: &Definition,
    at: firstcome_shared::clock::Millis,
    incarnation: &str,
    nonce: &str,
    actor: Actor<'_>,
) -> Message {
    let event = Event::CampaignCreated {
        definition: definition.clone(),
        incarnation: incarnation.to_owned(),
        actor: actor.name.to_owned(),
    };
    Message {
        version: VERSION,
        campaign: definition.id.clone(),
        log: log.to_owned(),
        epoch: 1,
        first: 0,
        last: 0,
        prev: 0,
        nonce: nonce.to_owned(),
        entries: vec![Entry { decision: 0, at, event }],
        requests: actor.request.map(|id| (0, id.to_owned())).into_iter().collect(),
    }
}
