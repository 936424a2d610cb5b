//! What the `OpenAPI` document says of every route alike, so that no handler has to: keys are sent as bearer tokens,
//! and whatever is not listed is a problem.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, Info, OpenApi, Ref, RefOr, Response};
use utoipa::{PartialSchema, ToResponse, ToSchema};

use super::problem::CONTENT_TYPE;
use crate::wire::Problem;

const BEARER: &str = "bearer";
const PROBLEM: &str = "Problem";

impl<'name> ToResponse<'name> for Problem {
    fn response() -> (&'name str, RefOr<Response>) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(PROBLEM))).build();
        let description = "A problem (RFC 9457): its `code` is for programs, its `detail` for people.";
        let response = ResponseBuilder::new().description(description).content(CONTENT_TYPE, content).build();
        (PROBLEM, response.into())
    }
}

/// Completes the document that was collected from the handlers.
pub(super) fn complete(mut api: OpenApi, name: &str, version: &str) -> OpenApi {
    api.info = Info::new(name, version);
    let components = api.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let (problem, response) = Problem::response();
    components.responses.insert(problem.to_owned(), response);
    api.security = Some(vec![SecurityRequirement::new(BEARER, [] as [&str; 0])]);
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        let other = RefOr::Ref(Ref::from_response_name(PROBLEM));
        operation.responses.responses.entry("default".to_owned()).or_insert(other);
    }
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, head, options, .. } = item;
    [get, put, post, delete, patch, head, options].into_iter().flatten()
}
