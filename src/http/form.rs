//! Form fields that are not files.

use bytes::BufMut as _;
use futures_util::StreamExt as _;
use http::StatusCode;
use multer::Field;

use super::error::HttpError;
use super::multipart::Forms;
use super::request_body::RequestBody;
use crate::base::limits::{DOCUMENT_SIZE_MAX, FIELD_SIZE_MAX};

/// The value of the first field called `name` in a small multipart form.
pub(super) async fn field(
    mut body: RequestBody,
    boundary: Option<&str>,
    name: &str,
) -> Result<Option<String>, HttpError> {
    body.limit(DOCUMENT_SIZE_MAX as u64)?;
    let mut forms = Forms::new(body, boundary);
    let mut found = None;
    while let Some(field) = forms.next_field().await? {
        let is_wanted = found.is_none() && field.name() == Some(name);
        let value = value(field).await?;
        if is_wanted {
            found = String::from_utf8(value).ok();
        }
    }
    Ok(found)
}

/// All of a field, which must be small.
pub(super) async fn value(mut field: Field<'static>) -> Result<Vec<u8>, HttpError> {
    let mut value = Vec::new();
    while let Some(frame) = field.next().await {
        value.put(frame?);
        if value.len() > FIELD_SIZE_MAX {
            let name = field.name().unwrap_or_default();
            let message = format!(
                "the form field '{name}' exceeds {FIELD_SIZE_MAX} bytes; give it a filename to \
                 upload it as a file"
            );
            return Err(HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
    }
    Ok(value)
}
