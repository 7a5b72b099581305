//! The sources of a running server.
use crate::{config::Config, directory::Directory, sync::Sources, upstream::BindPool};
use indicatif::MultiProgress;
use std::{collections::HashMap, sync::Arc};
use tokio_util::sync::CancellationToken;
pub(super) struct Running;
pub(super) fn start(
    _c: &Config,
    _d: &Arc<Directory>,
    _p: &MultiProgress,
    _s: CancellationToken,
) -> anyhow::Result<Running> {
    Ok(Running)
}
impl Running {
    pub(super) fn handle(&self) -> Sources {
        Sources
    }
    pub(super) fn binders(&self) -> HashMap<String, Arc<BindPool>> {
        HashMap::new()
    }
    pub(super) async fn stopped(self) {}
}
