//! `sync`: the sources of the running server.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::bail;

use super::{
    args::{SourceArgs, SyncCommand},
    output,
};
use crate::{
    admin::{
        client::ask,
        protocol::{Request, Response},
    },
    sync::state::SourceStatus,
};

const STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// A complete comparison of a large domain takes minutes.
const ROUND_TIMEOUT: Duration = Duration::from_secs(60 * 60);

pub(super) fn run(socket: &Path, command: &SyncCommand) -> anyhow::Result<ExitCode> {
    let (request, args, timeout) = match command {
        SyncCommand::Status(args) => {
            let source = args.source.clone();
            (Request::SyncStatus { source }, args, STATUS_TIMEOUT)
        }
        SyncCommand::Now(args) => {
            let source = args.source.clone();
            (Request::SyncNow { source }, args, ROUND_TIMEOUT)
        }
        SyncCommand::Resync(args) => {
            let source = args.source.clone();
            (Request::SyncResync { source }, args, ROUND_TIMEOUT)
        }
    };
    let sources = match ask(socket, &request, timeout)? {
        Response::Sources(sources) => sources,
        Response::Error(problem) => bail!("{problem}"),
        Response::Status(_) => bail!("the server answered something else"),
    };
    print(&sources, args)?;
    Ok(ExitCode::SUCCESS)
}

fn print(sources: &[SourceStatus], args: &SourceArgs) -> anyhow::Result<()> {
    if args.json {
        output::print_json(sources)
    } else if sources.is_empty() {
        Ok(output::print("no sources are configured")?)
    } else {
        Ok(output::print(&text(sources))?)
    }
}

/// The sources as a table, their errors below it.
pub(super) fn text(sources: &[SourceStatus]) -> String {
    let mut table = output::table([
        "source",
        "state",
        "method",
        "server",
        "last success",
        "users",
        "groups",
    ]);
    let mut notes = Vec::new();
    for source in sources {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let last = source
            .age_seconds
            .map_or_else(|| "-".to_owned(), |age| format!("{} ago", output::age(age)));
        table.add_row([
            source.source.clone(),
            source.state.as_str().to_owned(),
            or_dash(&source.method),
            or_dash(&source.server),
            last,
            source.users.to_string(),
            source.groups.to_string(),
        ]);
        if let Some(error) = &source.error {
            notes.push(format!("{}: {error}", source.source));
        }
        if let Some(held) = &source.held {
            notes.push(format!(
                "{}: held since {}: {} deletions, {} leaving the selection, {} memberships",
                source.source, held.since, held.deletes, held.left_selection, held.member_removals
            ));
        }
    }
    let mut text = output::text(&table);
    if !notes.is_empty() {
        text.push_str("\n\n");
        text.push_str(&notes.join("\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::time::SystemTime;

    use super::*;
    use crate::sync::state::{SourceState, State};

    #[test]
    fn sources_are_rows_and_errors_stand_below() {
        let mut state = SourceState::new("corp");
        state.state = State::Failing;
        state.server = Some("dc1.corp.example.com".to_owned());
        state.last_success = Some(SystemTime::UNIX_EPOCH);
        state.users = 12;
        state.groups = 3;
        state.error = Some("no server answers".to_owned());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(75);
        let expected = "
 source  state       method  server                last success  users  groups
 corp    failing     -       dc1.corp.example.com  1m 15s ago    12     3
 lab     first-sync  -       -                     -             0      0

corp: no server answers";
        let statuses = [state.status(now), SourceState::new("lab").status(now)];
        assert_eq!(format!("\n{}", text(&statuses)), expected);
    }
}
