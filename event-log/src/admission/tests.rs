use super::*;
use event_schemas::header::encode_entry;
use event_schemas::ids::KeyId;
use proptest::prelude::*;

fn header(kind: EntryKind, term: u64, claim: u128) -> EntryHeader {
    EntryHeader {
        kind,
        format: 0,
        term: Term(term),
        claim_id: ClaimId(claim),
        lsn: Lsn::ZERO,
        prev: ChainHead::EMPTY,
        recorded_at: Timestamp(100),
        key_id: KeyId(0),
        body_len: 0,
    }
}

fn genesis() -> EntryHeader {
    EntryHeader { lsn: Lsn(1), ..header(EntryKind::Genesis, 0, 0) }
}

/// A record that continues `state` as its current leader would write it.
fn record_on(state: &AdmissionState) -> EntryHeader {
    EntryHeader {
        term: state.term,
        claim_id: state.claim.unwrap(),
        lsn: state.last_lsn.next(),
        prev: state.head,
        recorded_at: state.recorded_at,
        ..header(EntryKind::Record, 0, 0)
    }
}

/// Admission of a log that holds a genesis and an admitted claim of term 1.
fn led() -> Admission {
    let mut admission = Admission::new();
    assert_eq!(give(&mut admission, genesis()).unwrap(), Lsn(1));
    assert_eq!(give(&mut admission, header(EntryKind::Claim, 1, 0xa)).unwrap(), Lsn(2));
    admission
}

/// Gives the entry at the next position.
fn give(admission: &mut Admission, header: EntryHeader) -> Result<Lsn, DropReason> {
    give_bytes(admission, &encode_entry(header, b"body"))
}

fn give_bytes(admission: &mut Admission, entry: &[u8]) -> Result<Lsn, DropReason> {
    let next = admission.state().next;
    match admission.admit(next, entry) {
        Verdict::Admitted { lsn, .. } => Ok(lsn),
        Verdict::Dropped(reason) => Err(reason),
    }
}

#[test]
fn a_log_begins_with_one_genesis_then_claims_then_records() {
    let mut admission = Admission::new();
    assert_eq!(give(&mut admission, header(EntryKind::Claim, 1, 0xa)), Err(DropReason::NoGenesis));
    assert_eq!(
        give(&mut admission, EntryHeader { lsn: Lsn(2), ..genesis() }),
        Err(DropReason::GenesisMalformed)
    );
    assert_eq!(
        give(&mut admission, EntryHeader { term: Term(1), ..genesis() }),
        Err(DropReason::GenesisMalformed)
    );
    assert_eq!(give(&mut admission, genesis()), Ok(Lsn(1)));
    assert_eq!(give(&mut admission, genesis()), Err(DropReason::GenesisNotFirst));
    assert_eq!(give(&mut admission, header(EntryKind::Record, 0, 0)), Err(DropReason::ClaimNotCurrent));
    assert_eq!(give(&mut admission, header(EntryKind::Claim, 1, 0xa)), Ok(Lsn(2)));
    let record = record_on(admission.state());
    assert_eq!(give(&mut admission, record), Ok(Lsn(3)));
    assert_eq!(admission.drops().total(), 5);
    assert_eq!(admission.state().next, Position(8));
}

#[test]
fn only_the_next_term_can_be_claimed_and_only_once() {
    let mut admission = led();
    assert_eq!(give(&mut admission, header(EntryKind::Claim, 1, 0xb)), Err(DropReason::ClaimTermTaken));
    assert_eq!(give(&mut admission, header(EntryKind::Claim, 3, 0xb)), Err(DropReason::ClaimTermAhead));
    let states_an_lsn = EntryHeader { lsn: Lsn(3), ..header(EntryKind::Claim, 2, 0xb) };
    assert_eq!(give(&mut admission, states_an_lsn), Err(DropReason::ClaimMalformed));
    assert_eq!(give(&mut admission, header(EntryKind::Claim, 2, 0xb)), Ok(Lsn(3)));
    assert_eq!(give(&mut admission, header(EntryKind::Claim, 2, 0xa)), Err(DropReason::ClaimTermTaken));
    assert!(admission.state().is_led_by(Term(2), ClaimId(0xb)));
}

#[test]
fn each_way_not_to_be_the_next_entry_has_its_own_reason() {
    let admission = led();
    let right = record_on(admission.state());
    let verdict = |change: fn(&mut EntryHeader)| {
        let mut changed = right;
        change(&mut changed);
        give(&mut admission.clone(), changed)
    };
    assert_eq!(verdict(|_| ()), Ok(Lsn(3)));
    assert_eq!(verdict(|h| h.term = Term(0)), Err(DropReason::TermOver));
    assert_eq!(verdict(|h| h.term = Term(2)), Err(DropReason::TermNotClaimed));
    assert_eq!(verdict(|h| h.claim_id = ClaimId(0xb)), Err(DropReason::ClaimNotCurrent));
    assert_eq!(verdict(|h| h.lsn = Lsn(2)), Err(DropReason::LsnTaken));
    assert_eq!(verdict(|h| h.lsn = Lsn(4)), Err(DropReason::LsnAhead));
    assert_eq!(verdict(|h| h.prev = ChainHead(7)), Err(DropReason::PrevNotHead));
    assert_eq!(verdict(|h| h.recorded_at = Timestamp(99)), Err(DropReason::TimeWentBack));
}

#[test]
fn foreign_bytes_are_dropped_and_counted_and_change_nothing() {
    let mut admission = led();
    let before = *admission.state();
    let mut unknown_kind = encode_entry(record_on(&before), b"");
    unknown_kind[4] = 250;
    assert_eq!(give_bytes(&mut admission, b""), Err(DropReason::TooShort));
    assert_eq!(give_bytes(&mut admission, &[0; 100]), Err(DropReason::ForeignBytes));
    assert_eq!(give_bytes(&mut admission, &unknown_kind), Err(DropReason::UnknownKind));
    assert_eq!(
        give_bytes(&mut admission, &encode_entry(record_on(&before), b"x")[..72]),
        Err(DropReason::LengthMismatch)
    );
    assert_eq!(*admission.state(), AdmissionState { next: Position(before.next.0 + 4), ..before });
    assert_eq!(admission.drops().of(DropReason::ForeignBytes), 1);
}

#[test]
fn a_claim_takes_the_time_of_the_entry_before_it() {
    let mut admission = led();
    let early = EntryHeader { recorded_at: Timestamp(3), ..header(EntryKind::Claim, 2, 0xb) };
    let next = admission.state().next;
    let Verdict::Admitted { header, lsn } = admission.admit(next, &encode_entry(early, b"")) else {
        panic!("a claimer cannot know the last recorded time")
    };
    assert_eq!((header.recorded_at, lsn, header.lsn), (Timestamp(100), Lsn(3), Lsn(3)));
    assert_eq!(admission.state().recorded_at, Timestamp(100));
    let ahead =
        EntryHeader { recorded_at: Timestamp(i64::MAX), ..super::tests::header(EntryKind::Claim, 3, 0xc) };
    assert_eq!(give(&mut admission, ahead), Ok(Lsn(4)));
    assert_eq!(admission.state().recorded_at, Timestamp(100), "a claimer's clock moves nothing");
}

#[test]
fn nothing_but_a_claim_that_knows_its_place_is_admitted_behind_the_seal() {
    let mut admission = led();
    let sealed = EntryHeader { kind: EntryKind::Sealed, ..record_on(admission.state()) };
    assert_eq!(give(&mut admission, sealed), Err(DropReason::SealMalformed), "its body names no copy");
    let target = InstanceId(u128::from_le_bytes(*b"sixteen bytes of"));
    give_bytes(&mut admission, &encode_entry(sealed, b"sixteen bytes of target and place")).unwrap();
    assert_eq!(admission.state().sealed_for, Some(target));
    let record = record_on(admission.state());
    assert_eq!(give(&mut admission, record), Err(DropReason::LogSealed));
    assert_eq!(give(&mut admission, header(EntryKind::Claim, 2, 0xb)), Err(DropReason::LogSealed));
    assert!(!admission.state().is_led_by(Term(1), ClaimId(0xa)));
    let (lsn, prev) = admission.state().stated_by_claim();
    let goes_on = EntryHeader { lsn, prev, ..header(EntryKind::Claim, 2, 0xb) };
    for wrong in [
        EntryHeader { term: Term(3), ..goes_on },
        EntryHeader { lsn: lsn.next(), ..goes_on },
        EntryHeader { prev: ChainHead(1), ..goes_on },
    ] {
        assert_eq!(give(&mut admission, wrong), Err(DropReason::LogSealed));
    }
    assert_eq!(give(&mut admission, goes_on), Ok(lsn));
    assert_eq!(
        give(&mut admission, EntryHeader { term: Term(3), ..goes_on }),
        Err(DropReason::ClaimMalformed)
    );
    let record = record_on(admission.state());
    assert!(give(&mut admission, record).is_ok());
    assert_eq!((admission.state().sealed, admission.state().sealed_for), (false, Some(target)));
}

#[test]
fn a_repeated_delivery_changes_nothing() {
    let mut admission = led();
    let record = encode_entry(record_on(admission.state()), b"");
    let position = admission.state().next;
    admission.admit(position, &record);
    let after = *admission.state();
    assert_eq!(admission.admit(position, &record), Verdict::Dropped(DropReason::AlreadyRead));
    assert_eq!(*admission.state(), after);
}

#[test]
fn names_of_reasons_are_distinct_snake_case() {
    let mut names: Vec<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    for (number, reason) in DropReason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, number);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DropReason::ALL.len());
}

#[test]
fn bytes_that_are_no_saved_state_are_refused() {
    let bytes = led().state().to_bytes();
    assert!(AdmissionState::from_bytes(&bytes[..87]).is_none());
    for (at, value) in [(0, 1), (1, 8), (1, 3), (3, 1), (72, 1)] {
        let mut wrong = bytes;
        wrong[at] = value;
        assert!(AdmissionState::from_bytes(&wrong).is_none(), "byte {at}");
    }
}

proptest! {
    /// R3: a reader that restarts from any saved state goes on as if it had never stopped.
    #[test]
    fn a_restart_from_any_saved_state_judges_alike(
        choices in prop::collection::vec((0_u8..8, 0_u64..4), 1..60), stop in 0_usize..60,
    ) {
        let mut whole = Admission::new();
        let mut entries = vec![encode_entry(genesis(), b"")];
        let mut builder = Admission::new();
        builder.admit(Position(0), &entries[0]);
        for (what, number) in choices {
            let state = *builder.state();
            let next = match what {
                0 => header(EntryKind::Claim, state.term.0 + number, u128::from(number)),
                1 if state.claim.is_some() => EntryHeader { lsn: Lsn(state.last_lsn.0 + number), ..record_on(&state) },
                2 if state.claim.is_some() => EntryHeader { claim_id: ClaimId(number.into()), ..record_on(&state) },
                6 if state.claim.is_some() => EntryHeader { kind: EntryKind::Sealed, ..record_on(&state) },
                7 => {
                    let (lsn, prev) = state.stated_by_claim();
                    EntryHeader { lsn, prev, ..header(EntryKind::Claim, state.term.0 + 1, u128::from(number)) }
                }
                _ if state.claim.is_some() => record_on(&state),
                _ => header(EntryKind::Claim, 1, 1),
            };
            let entry = encode_entry(next, &u128::from(number).to_le_bytes());
            builder.admit(state.next, &entry);
            entries.push(entry);
        }
        let mut restarted = Admission::new();
        for (at, entry) in entries.iter().enumerate() {
            if at == stop {
                let saved = restarted.state().to_bytes();
                restarted = Admission::resume(AdmissionState::from_bytes(&saved).unwrap());
            }
            let position = Position(at as u64);
            prop_assert_eq!(whole.admit(position, entry), restarted.admit(position, entry));
        }
        prop_assert_eq!(whole.state(), restarted.state());
        prop_assert_eq!(whole.state(), builder.state());
    }
}

#[test]
fn at_most_one_copy_of_a_log_may_be_led() {
    let (original, copy, other) = (InstanceId(1), InstanceId(2), InstanceId(3));
    let led = *led().state();
    assert_eq!(led.standing(original, None), Standing::Open);
    assert_eq!(led.standing(copy, Some(original)), Standing::Unfinished { of: original });
    let sealed = AdmissionState { sealed: true, sealed_for: Some(copy), ..led };
    assert_eq!(sealed.standing(original, None), Standing::Moved { to: copy });
    assert_eq!(sealed.standing(copy, Some(original)), Standing::GoesOnHere);
    assert_eq!(sealed.standing(other, Some(original)), Standing::Moved { to: copy });
    let gone_on = AdmissionState { sealed: false, ..sealed };
    assert_eq!(gone_on.standing(copy, Some(original)), Standing::Open);
    assert_eq!(gone_on.standing(other, Some(copy)), Standing::Unfinished { of: copy });
    assert_eq!(gone_on.standing(other, None), Standing::Open, "restored from an archive");
}
