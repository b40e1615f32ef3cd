//! The daemon's face: routes, handlers, bodies, errors. Floor 4.
