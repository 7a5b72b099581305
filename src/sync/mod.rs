//! Keeping the replica equal to AD.

pub mod config;
pub mod state;

use std::sync::Arc;
/// x
#[derive(Clone, Debug, Default)]
pub struct Sources;
impl Sources {
    /// x
    pub fn states(&self) -> Vec<Arc<state::SourceState>> {
        Vec::new()
    }
    /// x
    pub fn is_ready(&self) -> bool {
        true
    }
    /// x
    pub async fn now(&self, _: Option<&str>) -> anyhow::Result<()> {
        Ok(())
    }
    /// x
    pub async fn resync(&self, _: Option<&str>) -> anyhow::Result<()> {
        Ok(())
    }
}
