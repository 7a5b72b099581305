//! Power cuts at random moments lose nothing and need no repair.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::ldap::Tools;
use common::model;
use common::samba::{Samba, Size, Source};
use common::server::{Adduct, Site};
use serde_json::json;

const CUTS: u64 = 20;
const SETTLED: Duration = Duration::from_secs(10);

/// What the log says when everything is read, and when that is stored.
const WHOLE: &str = "reading the whole domain";
const DONE: &str = "the replica is complete";

#[test]
fn twenty_power_cuts_leave_no_difference() {
    let samba = Samba::provision(Size::SMALL);
    let more = "poll = \"200ms\"\n[source.brake]\nmax_deletes = 10000\nmax_percent = 100\n\
                max_member_percent = 100\n";
    let mut site = Site::new(|dir| {
        let source = Source {
            more,
            ..Source::default()
        };
        format!(
            "[access]\nanonymous = \"read\"\n{}",
            samba.source(dir, &source)
        )
    });
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut replicated = false;
    for cut in 0..CUTS {
        let server = site.start();
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        // From the first sync on, changes stream in until the moment of the cut.
        let moment = Instant::now() + Duration::from_millis(dice % 1500);
        let mut part = 0;
        while Instant::now() < moment {
            let seed = 1000 + cut * 100 + part;
            samba.perform(&json!({"do": "churn", "seed": seed, "count": 3}));
            part += 1;
        }
        // A position that was committed is never forgotten.
        let again = server.logged(WHOLE);
        assert!(
            !replicated || again == 0,
            "cut {cut}: everything was read again"
        );
        replicated |= server.logged(DONE) > 0;
        site = server.kill9();
    }
    assert!(replicated, "no first synchronisation in all the time");

    let server = site.start();
    server.wait_until_synced();
    assert_eq!(server.logged(WHOLE), 0);
    let expected = model::expected(&samba.dump(), samba.domain_sid());
    let last = std::cell::RefCell::new(Vec::new());
    common::eventually("no difference to AD", SETTLED, || {
        let differences = model::differences(&expected, &everything(&server, &samba));
        if !differences.is_empty() && *last.borrow() != differences {
            eprintln!("{}", differences[..differences.len().min(20)].join("\n"));
            last.replace(differences.clone());
        }
        differences.is_empty().then_some(())
    });

    // What was served before the last cut is served after it, also while no controller answers:
    // the replica needs nobody to be whole.
    let before = everything(&server, &samba).len();
    samba.kill();
    let server = server.kill9().start();
    assert_eq!(everything(&server, &samba).len(), before);
}

fn everything(server: &Adduct, samba: &Samba) -> Vec<common::ldap::Found> {
    // Not bound, as nobody can bind while every controller is down.
    Tools::new(server).search(samba.base(), "(objectClass=*)", &["*", "+"])
}
