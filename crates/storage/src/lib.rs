//! Bytes that survive: one write-ahead log, per-log segments, recovery
