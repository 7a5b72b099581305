//! Health, metrics, status and control.
