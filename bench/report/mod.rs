//! What both commands say of a measurement: distributions, tables, plots, the machine it ran on, and
//! the folder they are kept in, and the signals that end it. Floor 0 of the bench: knows neither disks nor sockets.

mod distribution;
mod figures;
mod folder;
mod heat_map;
mod hgrm;
mod lines;
mod machine;
mod paint;
mod sheet;
mod stop;

pub(crate) use distribution::Distribution;
pub(crate) use figures::{approximate, median};
pub(crate) use folder::{Folder, FolderError};
pub(crate) use heat_map::HeatMap;
pub(crate) use hgrm::hgrm;
pub(crate) use lines::{LinePlot, Series, YScale};
pub(crate) use machine::Machine;
pub(crate) use sheet::{Figure, Sheet, text_table};
pub(crate) use stop::Stop;
