//! Operators' commands: decided here by the domain's own rules on a look at the state, and written if nothing was decided
//! since. They are rare, so a lost race is simply run again; rules about windows stay in one place.

use std::collections::HashMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{Book, CampaignId, Command, Definition, Flags, Refused};
use redis::Cmd;

use super::reply::{Fields, strange};
use super::script::{LOOK, OPERATE};
use super::{Core, Guarded, meta};
use crate::gate::{Call, GateError, Reply};

/// Other instances' batches come between look and write; so often in a row they do not.
const ATTEMPTS: usize = 200;

impl Core {
    /// The campaign without its holders, and gate time.
    pub(super) async fn look(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
    ) -> Result<(Reply<()>, Book, Millis), GateError> {
        let Guarded { decision, logged, mut fields } =
            self.guarded(&self.quick, campaign, call, &LOOK, |_: &mut Cmd| {}).await?;
        let (now, last_time) = (Millis(fields.number()?), Millis(fields.number()?));
        let version = fields.number()?;
        let flags = Flags { paused: fields.number::<u8>()? == 1, cancelled: fields.number::<u8>()? == 1 };
        let definition: Definition =
            serde_json::from_slice(&fields.bytes()?).map_err(|error| strange(&error))?;
        let (mut issued, mut announced) = (Vec::new(), Vec::new());
        let mut counts: Fields = fields.list()?;
        for _ in &definition.windows {
            issued.push(counts.number()?);
            announced.push(counts.number()?);
        }
        let holders = HashMap::default();
        let book = Book { definition, flags, issued, announced, holders, decision, version, last_time };
        Ok((Reply { decision, logged, entries: Vec::new(), body: () }, book, now))
    }

    pub(super) async fn operate(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        command: &Command,
        actor: &str,
    ) -> Result<Reply<Result<(), Refused>>, GateError> {
        for _ in 0..ATTEMPTS {
            let (Reply { decision, logged, .. }, mut book, now) = self.look(campaign, call).await?;
            let version = book.version;
            let entries = match book.command(command, actor, now) {
                Ok(entries) if !entries.is_empty() => entries,
                unchanged => {
                    let body = unchanged.map(|_| ());
                    return Ok(Reply { decision, logged, entries: Vec::new(), body });
                }
            };
            let changes = meta::changing(&book)?;
            let texts = entries.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>();
            let texts = texts.map_err(|error| strange(&error))?;
            let written = self.attempt(&self.quick, campaign, call, &OPERATE, |arguments: &mut Cmd| {
                arguments.arg(decision).arg(version).arg(texts.len()).arg(&texts);
                for (name, value) in &changes {
                    arguments.arg(name).arg(value);
                }
            });
            if let Some(Guarded { decision, logged, .. }) = written.await? {
                return Ok(Reply { decision, logged, entries, body: Ok(()) });
            }
        }
        Err(GateError::Unavailable("others decide all the time: the command found no gap".to_owned()))
    }
}
