//! The searches of a connection that go on with changes.

use std::collections::VecDeque;

use tokio::sync::watch;

use super::{
    Service,
    operation::{Following, Progress},
};
use crate::proto::MessageId;

/// Searches that go on with changes, and the news that there is a next version.
#[derive(Default)]
pub(super) struct Followers {
    list: VecDeque<Following>,
    /// Asked for with the first of them.
    published: Option<watch::Receiver<()>>,
}

impl Followers {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.list.iter().any(|following| following.id() == id)
    }

    pub(super) fn push(&mut self, service: &Service, following: Following) {
        self.published.get_or_insert_with(|| service.published());
        self.list.push_back(following);
    }

    pub(super) fn remove(&mut self, id: MessageId) {
        self.list.retain(|following| following.id() != id);
    }

    /// Drops those that end only so.
    pub(super) fn remove_persistent(&mut self) {
        self.list.retain(|following| !following.persists());
    }

    /// Whether one of them has something to do; what is published later than this call ends
    /// [`Followers::published`].
    pub(super) fn are_busy(&mut self, service: &Service) -> bool {
        if self.list.is_empty() {
            return false;
        }
        if let Some(published) = &mut self.published {
            published.borrow_and_update();
        }
        let now = service.directory.snapshot();
        self.list
            .iter()
            .any(|following| !following.is_up_to_date(&now))
    }

    /// Moves the next of them on.
    pub(super) fn advance(
        &mut self,
        service: &Service,
        out: &mut Vec<u8>,
        mark: usize,
        slice: usize,
    ) {
        if let Some(mut following) = self.list.pop_front()
            && following.advance(service, out, mark, slice) != Progress::Answered
        {
            self.list.push_back(following);
        }
    }

    /// Waits for the next version; for ever where nobody asks for it. Cancel safe.
    pub(super) async fn published(&mut self) {
        if let Some(published) = self.published.as_mut().filter(|_| !self.list.is_empty())
            && published.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
