//! What is behind an error.

use std::error::Error;
use std::io;
use std::iter::successors;

/// The error, and what caused it, from the outside in.
pub fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |&error| {
        // What an I/O error wraps is not its source: that is the source of what it wraps.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_io_error_wraps_is_a_cause_too() {
        let inner = io::Error::new(io::ErrorKind::UnexpectedEof, "the end");
        let outer = io::Error::other(inner);
        let told: Vec<String> = causes(&outer).map(ToString::to_string).collect();
        assert_eq!(told, ["the end", "the end", "the end"]);
        let kinds = causes(&outer).filter_map(|error| error.downcast_ref::<io::Error>());
        assert!(kinds.map(io::Error::kind).any(|kind| kind == io::ErrorKind::UnexpectedEof));
    }
}
