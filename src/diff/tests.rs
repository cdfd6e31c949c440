//! Comparing whole checkpoints.
