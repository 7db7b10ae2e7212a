//! Conformance of backends.
