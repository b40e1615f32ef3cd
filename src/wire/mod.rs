//! Codecs shared by both ends; pure. Floor 1.

mod address;
mod chunked;
mod conditional;
mod content_type;
mod digest;
mod digest_fields;
mod disposition;
mod documents;
mod file_name;
mod form;
mod journal;
mod json;
mod manifest;
mod pace;
mod peer_agreement;
mod peer_messages;
mod peer_path;
mod peer_record;
mod plain_get;
mod range;
mod rendezvous;
mod request_head;
mod resume;
mod source_name;
mod source_url;
mod structured;
mod tlv;
mod upload_form;

pub use address::special_purpose;
pub use chunked::{ChunkFault, Chunks};
pub use conditional::{Conditions, EntityTag, Outcome, Validators, evaluate};
pub use content_type::{MediaType, choose_content_type};
pub use digest::{Digest, DigestAlgorithm, DigestHasher};
pub use digest_fields::{
    DigestFieldError, content_md5, digest_member, digest_members, wanted_algorithm,
};
pub use disposition::{attachment, inline};
pub use documents::{DocumentError, Documents, Event};
pub use file_name::{decode_percent, safe_file_name};
pub use form::form_value;
pub use journal::{
    JOURNAL_HEADER_SIZE, JOURNAL_RECORD_SIZE, JournalFault, JournalHeader, JournalIdentity,
    JournalRecord,
};
pub use json::{
    DownloadRequest, ErrorAnswer, ImportRequest, ManifestAnswer, UploadAnswer, UploadsAnswer,
};
pub use manifest::ManifestText;
pub use pace::Pace;
pub use peer_agreement::{AgreementMessage, agreement_value_size};
pub use peer_messages::{
    BLOCK_HEAD_SIZE, BlockId, Entry, EntryKind, OfferHead, PEER_VERSION, PeerMessage,
    PeerMessageError,
};
pub use peer_path::{PeerPath, PeerPathError};
pub use peer_record::{
    RECORD_HEADER_SIZE, RECORD_OVERHEAD, RecordFault, RecordKind, RecordStage, record_header,
    sealed_size,
};
pub use plain_get::plain_get;
pub use range::{RangedParts, Selection, content_range, content_range_unsatisfied, select};
pub use rendezvous::{
    EndMessage, RefusalCode, RelayMessage, RendezvousError, Role, rendezvous_value_size,
};
pub use request_head::{Framing, HeadFault, HeadScan, RequestHead};
pub use resume::{
    Representation, ResumeMismatch, ResumeRequest, ResumeStatus, SourceHeaders,
    parse_content_range, pause_before_resume,
};
pub use source_name::source_name;
pub use source_url::{SourceHost, SourceUrl, SourceUrlError};
pub use tlv::{TLV_HEAD_SIZE, TlvError};
pub use upload_form::{BOUNDARY_RANDOM_SIZE, UploadForm};
