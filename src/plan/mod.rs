//! The chunk planner; pure. Floor 1.
