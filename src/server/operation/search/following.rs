//! Searches that go on with changes: what content synchronisation and persistent search share.
//!
//! First comes a refresh, then for each version that is published what entered, changed in and left
//! the content since the last one looked at. Nothing is queued: a client that does not read gets
//! one difference for all that was published meanwhile.

use std::{sync::Arc, time::Instant, vec};

use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{
    super::{Answer, Call, entry_writer},
    EntryWriter, Name,
    content_sync::{self, ContentSync},
    limits::Limits,
    persistent::Persistent,
    target,
};
use crate::{
    access::Secrets,
    directory::{BoundFilter, Diversions, EntryId, Reach, Region, Search, Snapshot, Step},
    filter::Filter,
    proto::{
        LdapResult, MessageId, RequestControls, ResultCode,
        control::{PersistentSearch, SyncRequest},
        request::{SearchRequest, SearchScope},
        response::{self, ResponseControl, write_entry, write_result},
    },
    server::{Service, metrics::OperationKind},
};

/// A search that goes on with changes, on a connection.
pub(in crate::server) struct Following {
    id: MessageId,
    criteria: Criteria,
    writer: EntryWriter,
    reporter: Reporter,
    stage: Stage,
    limits: Limits,
    started: Instant,
}

/// How far a [`Following`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Progress {
    /// There is more to do at once.
    Working,
    /// Nothing happens until the next version.
    Waiting,
    /// It is answered.
    Answered,
}

/// Who says in which messages what happened.
enum Reporter {
    Sync(ContentSync),
    Persistent(Persistent),
}

/// What happened to an entry from the view of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Entered,
    Changed,
    Left,
}

/// How one change is told.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) controls: Vec<ResponseControl>,
    /// Whether the entry is written as it was before.
    pub(super) as_before: bool,
    /// Whether its attributes are left out.
    pub(super) bare: bool,
}

/// Two versions that a change lies between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Versions<'s> {
    pub(super) before: &'s Snapshot,
    pub(super) after: &'s Snapshot,
}

enum Stage {
    /// Everything that matches.
    Everything(Search),
    /// What was affected since the client's cookie, first looked at, then told.
    Affected(Affected),
    /// What is gone, then the rest.
    Gone(Affected),
    Kept(Search, vec::IntoIter<EntryId>),
    /// Up to date with this version.
    Waiting(Search),
    Difference(Box<Difference>),
    Over,
}

struct Affected {
    now: Search,
    uuids: vec::IntoIter<Uuid>,
    gone: Vec<Uuid>,
    kept: Vec<EntryId>,
}

struct Difference {
    before: Search,
    after: Search,
    candidates: RoaringBitmap,
    rest: roaring::bitmap::IntoIter,
    /// What left is told first, since its name may be another's now.
    departures: bool,
    told: bool,
}

/// What may be asked of every version anew.
struct Criteria {
    /// The root is above every naming context.
    base: Name<'static>,
    scope: SearchScope,
    reach: Reach,
    filter: Filter,
    secrets: Secrets,
}

/// What one step led to.
enum Outcome {
    Working,
    Waiting,
    Answered(Answer),
}

/// The control that makes a search go on with changes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'c> {
    Sync(SyncRequest<'c>),
    Persistent(PersistentSearch),
}

/// Whether a search shall go on with changes, and how.
pub(super) fn wanted<'c>(controls: &RequestControls<'c>) -> Result<Option<Wanted<'c>>, LdapResult> {
    match (controls.sync, controls.persistent) {
        (None, None) => Ok(None),
        (Some(sync), None) => Ok(Some(Wanted::Sync(sync))),
        (None, Some(persistent)) => Ok(Some(Wanted::Persistent(persistent))),
        (Some(_), Some(_)) => Err(LdapResult::new(
            ResultCode::PROTOCOL_ERROR,
            "synchronisation and persistent search exclude each other",
        )),
    }
}

/// Checks a search that goes on with changes; `outstanding` other operations are under way.
pub(super) fn start(
    call: &Call<'_>,
    request: &SearchRequest<'_>,
    wanted: Wanted<'_>,
    outstanding: usize,
) -> Result<Following, LdapResult> {
    let controls = call.controls;
    let base = Name::parse(request.base_object)?.into_owned();
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    call.may_read()?;
    if controls.paged.is_some() || controls.sort.is_some() || controls.vlv.is_some() {
        return Err(LdapResult::new(
            ResultCode::UNWILLING_TO_PERFORM,
            "a search that goes on with changes has neither pages nor an order",
        ));
    }
    let snapshot = call.service.directory.snapshot();
    let scope = request.scope;
    if base.is_root() && scope == SearchScope::BaseObject {
        return Err(LdapResult::new(
            ResultCode::UNWILLING_TO_PERFORM,
            "the root DSE cannot be followed",
        ));
    }
    let reach = Reach {
        aliases: false,
        referrals: !controls.manage_dsa_it,
        subentries: controls.subentries,
        originals: controls.dont_use_copy,
    };
    if !base.is_root() {
        let id = base.find(&snapshot, diversions(reach), Some(scope))?;
        target::check_original(&snapshot, id, controls.dont_use_copy, Some(scope))?;
        call.assert(&snapshot, id)?;
    }
    let secrets = call.settings.access.secrets();
    let criteria = Criteria {
        base,
        scope,
        reach,
        filter: Filter::from_request(&request.filter),
        secrets: secrets.clone(),
    };
    let selection = entry_writer::resolve(call, request, &snapshot);
    let writer = EntryWriter::new(call, Arc::new(selection), &snapshot)?;
    let (reporter, stage) = match wanted {
        Wanted::Sync(sync) => {
            let affected = content_sync::affected(&sync, request.deref_aliases, &snapshot)?;
            let sync = ContentSync::new(sync.mode, affected.is_some(), snapshot.position());
            let stage = match affected {
                Some(uuids) => Stage::Affected(Affected {
                    now: criteria.among(snapshot),
                    uuids: uuids.into_iter(),
                    gone: Vec::new(),
                    kept: Vec::new(),
                }),
                None => Stage::Everything(criteria.search(snapshot)),
            };
            (Reporter::Sync(sync), stage)
        }
        Wanted::Persistent(persistent) => {
            let persistent = Persistent::new(persistent);
            let stage = if persistent.wants_content() {
                Stage::Everything(criteria.search(snapshot))
            } else {
                Stage::Waiting(criteria.among(snapshot))
            };
            (Reporter::Persistent(persistent), stage)
        }
    };
    let following = Following {
        id: call.id,
        criteria,
        writer,
        reporter,
        stage,
        limits: Limits::new(call, request),
        started: call.started,
    };
    // One place is kept free for an Abandon or a Cancel.
    let most = call.settings.limits.max_outstanding.saturating_sub(1);
    if following.persists() && outstanding >= most {
        return Err(LdapResult::new(
            ResultCode::ADMIN_LIMIT_EXCEEDED,
            "too many operations are outstanding for one more that does not end",
        ));
    }
    Ok(following)
}

impl Following {
    /// The operation's number.
    pub(in crate::server) fn id(&self) -> MessageId {
        self.id
    }

    /// Whether it goes on until it is abandoned.
    pub(in crate::server) fn persists(&self) -> bool {
        match &self.reporter {
            Reporter::Sync(sync) => sync.persists(),
            Reporter::Persistent(_) => true,
        }
    }

    /// Whether there is nothing to do while this is the present version.
    pub(in crate::server) fn is_up_to_date(&self, now: &Snapshot) -> bool {
        matches!(&self.stage, Stage::Waiting(view) if view.snapshot().seq() == now.seq())
    }

    /// Works on it until `out` holds `mark` octets or `slice` entries were looked at.
    pub(in crate::server) fn advance(
        &mut self,
        service: &Service,
        out: &mut Vec<u8>,
        mark: usize,
        slice: usize,
    ) -> Progress {
        let mut budget = slice;
        while out.len() < mark && budget > 0 {
            let outcome = match self.step(service, out, &mut budget) {
                Ok(outcome) => outcome,
                Err(result) => Outcome::Answered(result.into()),
            };
            match outcome {
                Outcome::Working => {}
                Outcome::Waiting => return Progress::Waiting,
                Outcome::Answered(answer) => return self.answer(service, &answer, out),
            }
        }
        match self.limits.late() {
            Some(result) => self.answer(service, &result.into(), out),
            None => Progress::Working,
        }
    }

    /// Moves on by one entry or message.
    fn step(
        &mut self,
        service: &Service,
        out: &mut Vec<u8>,
        budget: &mut usize,
    ) -> Result<Outcome, LdapResult> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Everything(mut search) => {
                match search.next(budget) {
                    Step::Match(id) => {
                        self.present(service, search.snapshot(), id, out)?;
                    }
                    Step::Paused => {}
                    Step::Complete => return Ok(self.refreshed(&search, out)),
                }
                self.stage = Stage::Everything(search);
            }
            Stage::Affected(mut affected) => {
                *budget -= 1;
                self.stage = match affected.uuids.next() {
                    Some(uuid) => {
                        let id = affected.now.snapshot().id_of(uuid);
                        match id.filter(|id| affected.now.matches(*id)) {
                            Some(id) => affected.kept.push(id),
                            None => affected.gone.push(uuid),
                        }
                        Stage::Affected(affected)
                    }
                    None => Stage::Gone(affected),
                };
            }
            Stage::Gone(mut affected) => {
                let rest = affected.gone.len().saturating_sub(content_sync::IN_SET);
                let set = affected.gone.split_off(rest);
                self.stage = if set.is_empty() {
                    Stage::Kept(affected.now, affected.kept.into_iter())
                } else {
                    content_sync::write_gone(self.id, &set, out);
                    Stage::Gone(affected)
                };
            }
            Stage::Kept(now, mut kept) => {
                *budget -= 1;
                let Some(id) = kept.next() else {
                    return Ok(self.refreshed(&now, out));
                };
                self.present(service, now.snapshot(), id, out)?;
                self.stage = Stage::Kept(now, kept);
            }
            Stage::Waiting(view) => {
                let now = service.directory.snapshot();
                if view.snapshot().seq() == now.seq() {
                    self.stage = Stage::Waiting(view);
                    return Ok(Outcome::Waiting);
                }
                let difference = Difference::new(view, self.criteria.among(now));
                self.stage = Stage::Difference(Box::new(difference));
            }
            Stage::Difference(mut difference) => {
                *budget -= 1;
                if let Some(id) = difference.rest.next() {
                    self.tell(service, &mut difference, EntryId(id), out)?;
                    self.stage = Stage::Difference(difference);
                } else if difference.departures {
                    difference.departures = false;
                    difference.rest = difference.candidates.clone().into_iter();
                    self.stage = Stage::Difference(difference);
                } else {
                    if let Reporter::Sync(sync) = &mut self.reporter {
                        let position = difference.after.snapshot().position();
                        sync.differed(self.id, position, difference.told, out);
                    }
                    self.stage = Stage::Waiting(difference.after);
                }
            }
            Stage::Over => return Ok(Outcome::Waiting),
        }
        Ok(Outcome::Working)
    }

    /// Tells an entry of the refresh.
    fn present(
        &mut self,
        service: &Service,
        snapshot: &Snapshot,
        id: EntryId,
        out: &mut Vec<u8>,
    ) -> Result<(), LdapResult> {
        self.limits.take()?;
        let controls = match (&self.reporter, snapshot.entry(id)) {
            (Reporter::Sync(_), Some(entry)) => vec![content_sync::added(entry.uuid)],
            _ => Vec::new(),
        };
        self.writer.write(snapshot, self.id, id, &controls, out)?;
        service.metrics.entries_returned_total.increment();
        Ok(())
    }

    /// The end of the refresh, and perhaps of the search.
    fn refreshed(&mut self, view: &Search, out: &mut Vec<u8>) -> Outcome {
        if let Reporter::Sync(sync) = &self.reporter
            && let Some(control) = sync.refreshed(self.id, out)
        {
            return Outcome::Answered(Answer {
                result: LdapResult::SUCCESS,
                controls: vec![control],
            });
        }
        self.limits = Limits::NONE;
        let view = self.criteria.among(Arc::clone(view.snapshot()));
        self.stage = Stage::Waiting(view);
        Outcome::Working
    }

    /// Tells what happened to one entry, if anything did.
    fn tell(
        &self,
        service: &Service,
        difference: &mut Difference,
        id: EntryId,
        out: &mut Vec<u8>,
    ) -> Result<(), LdapResult> {
        let Some(change) = difference.change(id, &self.writer) else {
            return Ok(());
        };
        let (before, after) = (difference.before.snapshot(), difference.after.snapshot());
        let versions = Versions { before, after };
        let report = match &self.reporter {
            Reporter::Sync(_) => content_sync::report(change, versions, id),
            Reporter::Persistent(persistent) => persistent.report(change, versions, id),
        };
        let Some(report) = report else { return Ok(()) };
        let version = if report.as_before { before } else { after };
        if report.bare {
            let dn = |out: &mut Vec<u8>| version.write_dn(id, out);
            write_entry(out, self.id, dn, |_| {}, &report.controls);
        } else {
            self.writer
                .write(version, self.id, id, &report.controls, out)?;
        }
        service.metrics.entries_returned_total.increment();
        difference.told = true;
        Ok(())
    }

    fn answer(&mut self, service: &Service, answer: &Answer, out: &mut Vec<u8>) -> Progress {
        self.stage = Stage::Over;
        let Answer { result, controls } = answer;
        write_result(out, self.id, response::tag::SEARCH_DONE, result, controls);
        let elapsed = self.started.elapsed();
        service
            .metrics
            .operation(OperationKind::Search, result.code.0, elapsed);
        tracing::debug!(
            target: "adduct::access",
            op = "search",
            msg.id = self.id.0,
            result.code = result.code.0,
            "operation"
        );
        Progress::Answered
    }
}

impl Difference {
    fn new(before: Search, after: Search) -> Self {
        let now = after.snapshot();
        let candidates: RoaringBitmap = match now.affected_since(&before.snapshot().position()) {
            Some(affected) => affected
                .into_iter()
                .filter_map(|uuid| Some(now.id_of(uuid)?.0))
                .collect(),
            // Too much to be logged: each entry is asked.
            None => (0..now.id_bound()).collect(),
        };
        Self {
            rest: candidates.clone().into_iter(),
            candidates,
            before,
            after,
            departures: true,
            told: false,
        }
    }

    fn change(&self, id: EntryId, writer: &EntryWriter) -> Option<Change> {
        let (was, is) = (self.before.matches(id), self.after.matches(id));
        match (was, is) {
            (true, false) => self.departures.then_some(Change::Left),
            (false, true) => (!self.departures).then_some(Change::Entered),
            (true, true) if !self.departures => {
                let (before, after) = (self.before.snapshot(), self.after.snapshot());
                let is_changed = writer.is_changed(before, after, id);
                is_changed.then_some(Change::Changed)
            }
            _ => None,
        }
    }
}

impl Criteria {
    /// The search of one version.
    fn search(&self, snapshot: Arc<Snapshot>) -> Search {
        let (base, region, filter) = self.bind(&snapshot);
        Search::within(snapshot, base, self.scope, region, filter)
    }

    /// The same, to ask it about single entries.
    fn among(&self, snapshot: Arc<Snapshot>) -> Search {
        let (base, region, filter) = self.bind(&snapshot);
        Search::of_none(snapshot, base, self.scope, region, filter)
    }

    fn bind(&self, snapshot: &Snapshot) -> (Option<EntryId>, Option<Box<Region>>, BoundFilter) {
        let base = if self.base.is_root() {
            None
        } else {
            match self.base.find(snapshot, diversions(self.reach), None) {
                Ok(id) => Some(id),
                // There is nothing below a base that is gone.
                Err(_) => return (None, None, BoundFilter::Undefined),
            }
        };
        let region = Region::new(snapshot, base, self.scope, self.reach).map(|(region, _)| region);
        let filter = BoundFilter::bind(&self.filter.as_request(), snapshot, &self.secrets);
        (base, region, filter)
    }
}

/// How the base is found under the rules of what is searched.
fn diversions(reach: Reach) -> Diversions {
    Diversions {
        aliases: false,
        referrals: reach.referrals,
    }
}

#[cfg(test)]
mod tests;
