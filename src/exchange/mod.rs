//! Between LDIF files and the directory of a stopped server.

mod export;
mod import;

pub use self::{
    export::{ExportError, export},
    import::{ImportError, ImportOptions, import},
};
