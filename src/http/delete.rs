//! `DELETE /files/{file_id}`.
//!
//! In this order: an ID that opens nothing is 404, a missing token 401, a wrong one 403. So only
//! who has the ID learns anything, and it cannot be learned here whether a token would be right for
//! a file that is gone.

use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};

use super::body::Body;
use super::download::open_id;
use super::error::HttpError;
use super::face::FaceParts;
use super::request_body::RequestBody;

/// Deletes a file, durably.
pub(super) async fn file(
    face: &FaceParts,
    segment: &str,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, HttpError> {
    let opened = open_id(face, segment)?;
    let authorization = request.headers().get(AUTHORIZATION);
    let token = authorization
        .and_then(|value| value.to_str().ok())
        .and_then(bearer_token)
        .ok_or_else(HttpError::token_needed)?;
    if !face.ids.check_delete_token(&opened.id, token) {
        let message = "this is not the delete_token of this file";
        return Err(HttpError::new(StatusCode::FORBIDDEN, message));
    }
    face.store.delete(opened.object).await?;
    face.digests.forget(opened.object);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1); the scheme has no case.
fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_counts() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(bearer_token(value), token, "{value}");
        }
    }
}
