//! The caller as an argument of a handler. The middleware has authenticated every request of a service before its
//! handler runs, so these only compare roles.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Caller, Role};
use crate::event::Actor;
use crate::http::{Failure, RequestId};
use crate::wire::{Code, Problem};

/// A caller of any role.
#[derive(Clone, Debug)]
pub struct Reader(pub Caller);

/// A caller who may ask for coupons: an issuer or an operator.
#[derive(Clone, Debug)]
pub struct Issuer(pub Caller);

/// A caller who may change campaigns.
#[derive(Clone, Debug)]
pub struct Operator(pub Caller);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // Without the middleware there is no caller: closed, not open.
        parts.extensions.get().cloned().ok_or_else(|| unauthenticated("This needs an API key.").into())
    }
}

macro_rules! guard {
    ($guard:ident) => {
        impl<S: Sync> FromRequestParts<S> for $guard {
            type Rejection = Failure;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
                let caller = Caller::from_request_parts(parts, state).await?;
                if caller.role < Role::$guard {
                    let detail = format!(
                        "This needs the role {}; the key {} has {}.",
                        Role::$guard,
                        caller.name,
                        caller.role
                    );
                    return Err(Problem::new(Code::Forbidden, detail).into());
                }
                Ok(Self(caller))
            }
        }
    };
}

guard!(Reader);
guard!(Issuer);
guard!(Operator);

/// An operator who changes something in this request: both are recorded with the change (P10).
#[derive(Clone, Debug)]
pub struct Acting {
    caller: Caller,
    request: RequestId,
}

impl Acting {
    /// Who acts, as the event names them.
    pub fn actor(&self) -> Actor<'_> {
        Actor { name: &self.caller.name, request: Some(self.request.as_str()).filter(|id| !id.is_empty()) }
    }

    /// Says in the log for people what was done.
    pub fn did(&self, action: &str, on: &str) {
        let (id, actor) = (self.request.as_str(), &*self.caller.name);
        tracing::info!(id, actor, action, on, "operator acted");
    }
}

impl<S: Sync> FromRequestParts<S> for Acting {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Operator(caller) = Operator::from_request_parts(parts, state).await?;
        let Ok(request) = RequestId::from_request_parts(parts, state).await;
        Ok(Self { caller, request })
    }
}

/// 401, for a request without a key that is known.
pub(crate) fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, format!("{detail} Send it as `Authorization: Bearer <key>`."))
}
