//! Who owns a session, as others read it.

use engine::owner::{Birth, Owned, owner_pid};
use store::{Access, Store};

/// Whoever posts a prompt believes that an owner which is not about to leave will take it.
#[test]
fn who_only_mends_or_ends_a_session_takes_no_prompt() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("store.db");
    let open = || Store::open(&path, Access::Write).unwrap();
    let birth = Birth {
        session_id: "s".to_owned(),
        agent: "mock".to_owned(),
        cwd: "/".to_owned(),
        title: None,
        labels: "{}".to_owned(),
        permission_mode: None,
        effort: None,
        parent_session: None,
    };
    let row = || open().session("s").unwrap().unwrap();
    let ours = std::process::id();

    let owner = Owned::create(open(), &birth, false).unwrap();
    assert_eq!(row().owner, Some(ours.to_string()));
    owner.leave().unwrap();
    assert_eq!(row().owner, None);

    let owner = Owned::take(open(), &row(), false).unwrap();
    assert_eq!(row().owner, Some(ours.to_string()));
    owner.leave().unwrap();

    for brief in [Owned::take_briefly, Owned::take_as_it_is] {
        let brief = brief(open(), &row()).unwrap();
        assert_eq!(row().owner, Some(format!("{ours} closing")));
        assert_eq!(owner_pid(&row()), Some(ours));
        brief.leave().unwrap();
    }
}
