//! Codecs shared by both ends; pure. Floor 1.
