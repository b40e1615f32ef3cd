//! Codecs shared by both ends; pure. Floor 1.

mod chunked;
mod conditional;
mod content_type;
mod disposition;
mod documents;
mod file_name;
mod form;
mod json;
mod manifest;
mod pace;
mod range;
mod request_head;

pub use chunked::{ChunkFault, Chunks};
pub use conditional::{Conditions, EntityTag, Outcome, Validators, evaluate};
pub use content_type::{MediaType, choose_content_type};
pub use disposition::{attachment, inline};
pub use documents::{DocumentError, Documents, Event};
pub use file_name::{decode_percent, safe_file_name};
pub use form::form_value;
pub use json::{
    DownloadRequest, ErrorAnswer, ImportRequest, ManifestAnswer, UploadAnswer, UploadsAnswer,
};
pub use manifest::ManifestText;
pub use pace::Pace;
pub use range::{RangedParts, Selection, content_range, content_range_unsatisfied, select};
pub use request_head::{Framing, HeadFault, HeadScan, RequestHead};
