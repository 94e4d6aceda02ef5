//! Restarting: saved pages, keys and ids if they match the log, else the log from its beginning.
//!
//! *Architecture invariant:* saved state that does not match the log is discarded whole (S3).

use crate::command_ids::CommandIds;
use crate::follower::Follower;
use crate::history::chain_head_at;
use crate::saver::StoreOpener;
use domain::registry::lookups::LookupEntry;
use domain::registry::pages::{PageRef, PageTable};
use domain::registry::{DIGEST_VERSION, Head, Registry};
use event_log::{AdmissionState, LogSource};
use event_schemas::codec::DRAFT;
use event_schemas::format;
use event_schemas::ids::{CommandId, InstanceId, LogId, Lsn};
use state_store::engine::{KeyRange, Order, TableId};
use state_store::id_index::{DEFAULT_RECENT_IDS, IdIndex, IndexIdentity};
use state_store::restart::{RestartPoint, StoreIdentity};
use state_store::store::{DiscardReason, Opened, Store, StoreError, TwoRecords};
use std::path::Path;

pub(crate) const LOOKUPS_TABLE: TableId = TableId(20);
pub(crate) const HEAD_TABLE: TableId = TableId(21);
pub(crate) const IDS_TABLE: TableId = TableId(22);
pub(crate) const HEAD_KEY: &[u8] = b"head";

/// Raised when saved bytes mean something else than before, though the digest covers the same fields.
const SAVED_FORM: u32 = 2;
/// Most bytes of one saved value before it was packed.
const MAX_UNPACKED_BYTES: usize = 8 << 20;

const PAGE_TABLES: [PageTable; 8] = [
    PageTable::Persons,
    PageTable::Households,
    PageTable::Cards,
    PageTable::Dossiers,
    PageTable::Dwellings,
    PageTable::Units,
    PageTable::Offices,
    PageTable::Operations,
];

pub(crate) fn page_table(table: PageTable) -> TableId {
    TableId(table as u8)
}

/// What a store must match.
pub fn identity(log_id: LogId, instance: InstanceId) -> StoreIdentity {
    let fold_revision = SAVED_FORM << 24 | u32::from(DRAFT) << 12 | u32::from(DIGEST_VERSION);
    StoreIdentity { log_id, instance, formats: 0..=format::NEWEST, fold_revision }
}

/// What a restart begins with.
#[derive(Default)]
pub(crate) struct Restored {
    pub follower: Follower,
    pub store: Option<Store>,
    /// Saved state was there and could not be used.
    pub discarded: Option<String>,
}

/// Why saved state is not used.
enum NotLoaded {
    /// It is discarded and made anew.
    Unusable(String),
    /// It shows that an invariant does not hold, and is kept for whoever looks into it.
    Broken(TwoRecords),
}

impl<E: std::error::Error> From<E> for NotLoaded {
    fn from(error: E) -> Self {
        Self::Unusable(error.to_string())
    }
}

/// Opens the store and takes in what it holds, if the log is the one that was folded.
pub(crate) fn restore(
    open_store: &mut StoreOpener,
    ids_dir: Option<&Path>,
    identity: &StoreIdentity,
    source: &dyn LogSource,
) -> Result<Restored, StoreError> {
    let opened = open_store(identity)?;
    tell_discarded(&opened);
    let discarded = opened.discarded.as_ref().map(ToString::to_string);
    let store = opened.store;
    let mut index = open_ids(ids_dir, identity)?;
    let saved_to = store.restart_point().map_or(Lsn::ZERO, |point| point.oldest_lsn);
    let loaded = check_ids(index.as_ref(), saved_to, source).and_then(|()| match store.restart_point() {
        Some(point) => load(&store, &point, source).map(Some),
        None => Ok(None),
    });
    match loaded {
        Ok(loaded) => {
            let mut follower = loaded.unwrap_or_default();
            if let Some(index) = index {
                follower.ids = CommandIds::in_index(index);
            }
            match saved_to {
                Lsn::ZERO => tracing::info!("nothing was saved: the log is read from its beginning"),
                _ => tracing::info!(saved_to = saved_to.0, "goes on from saved state"),
            }
            Ok(Restored { follower, store: Some(store), discarded })
        }
        Err(NotLoaded::Broken(two)) => Err(two.into()),
        Err(NotLoaded::Unusable(why)) => {
            tracing::warn!(why, "the saved state does not match the log: it is discarded and rebuilt");
            let store = store.discard(DiscardReason::Mismatch(why.clone()))?.store;
            let mut follower = Follower::new();
            if let Some(mut index) = index.take() {
                index.discard()?;
                follower.ids = CommandIds::in_index(index);
            }
            Ok(Restored { follower, store: Some(store), discarded: Some(why) })
        }
    }
}

/// Opens the store of a log that has just begun: whatever it holds is of something else.
pub(crate) fn fresh_store(
    open_store: &mut StoreOpener,
    ids_dir: Option<&Path>,
    identity: &StoreIdentity,
) -> Result<(Store, CommandIds), StoreError> {
    let opened = open_store(identity)?;
    tell_discarded(&opened);
    let mut store = opened.store;
    if store.restart_point().is_some() {
        let why = "the log has just begun".to_owned();
        store = store.discard(DiscardReason::Mismatch(why))?.store;
    }
    let ids = match open_ids(ids_dir, identity)? {
        None => CommandIds::default(),
        Some(mut index) => {
            index.discard()?;
            CommandIds::in_index(index)
        }
    };
    Ok((store, ids))
}

fn open_ids(ids_dir: Option<&Path>, identity: &StoreIdentity) -> Result<Option<IdIndex>, StoreError> {
    let Some(dir) = ids_dir else {
        return Ok(None);
    };
    let identity = IndexIdentity { log_id: identity.log_id, instance: identity.instance };
    Ok(Some(IdIndex::open(dir, identity, DEFAULT_RECENT_IDS)?.index))
}

/// The index of ids must hold all that the pages hold, of this log.
fn check_ids(index: Option<&IdIndex>, saved_to: Lsn, source: &dyn LogSource) -> Result<(), NotLoaded> {
    let Some(reflected) = index.map(IdIndex::reflected) else {
        return Ok(());
    };
    if reflected.lsn < saved_to {
        let why = format!("the index of command ids reaches lsn {}, the pages {saved_to}", reflected.lsn);
        return Err(NotLoaded::Unusable(why));
    }
    match chain_head_at(source, reflected.lsn)? {
        Some(head) if head == reflected.head => Ok(()),
        _ => Err(NotLoaded::Unusable("the index of command ids is of another log".to_owned())),
    }
}

fn tell_discarded(opened: &Opened) {
    if let Some(reason) = &opened.discarded {
        tracing::warn!(%reason, "the saved registry was discarded; it is rebuilt from the log");
    }
}

fn load(store: &Store, point: &RestartPoint, source: &dyn LogSource) -> Result<Follower, NotLoaded> {
    let state = AdmissionState::from_bytes(&point.admission)
        .ok_or_else(|| NotLoaded::Unusable("its admission state cannot be read".to_owned()))?;
    if (state.last_lsn, state.head, state.next) != (point.oldest_lsn, point.head_oldest, point.next_position)
    {
        return Err(NotLoaded::Unusable("its admission state contradicts its restart point".to_owned()));
    }
    for (lsn, head) in [(point.oldest_lsn, point.head_oldest), (point.newest_lsn, point.head_newest)] {
        match chain_head_at(source, lsn)? {
            Some(found) if found == head => {}
            Some(_) => return Err(NotLoaded::Unusable(format!("the chain at lsn {lsn} is another"))),
            None => return Err(NotLoaded::Unusable(format!("the log does not reach lsn {lsn}"))),
        }
    }
    let head = store
        .get(HEAD_TABLE, HEAD_KEY)?
        .ok_or_else(|| NotLoaded::Unusable("its head is missing".to_owned()))?;
    let head = Head::decode(&head)?;
    let saved_digest = head.digest;
    let mut registry = Registry::new();
    registry.begin_replay(head);
    for table in PAGE_TABLES {
        load_pages(store, table, point.newest_lsn, &mut registry)?;
    }
    load_lookups(store, &mut registry)?;
    let ids = load_ids(store)?;
    let follower = Follower::resume(state, registry, ids, point.newest_lsn);
    if !follower.is_replaying() && follower.registry.head().digest != saved_digest {
        return Err(NotLoaded::Unusable("its rows do not sum up to its digest".to_owned()));
    }
    Ok(follower)
}

fn load_pages(
    store: &Store,
    table: PageTable,
    newest: Lsn,
    registry: &mut Registry,
) -> Result<(), NotLoaded> {
    for entry in store.scan(page_table(table), &KeyRange::all(), Order::Ascending) {
        let (key, value) = entry?;
        let number = key.as_slice().try_into().map(u32::from_be_bytes)?;
        let (lsn, packed) =
            value.split_first_chunk().ok_or_else(|| NotLoaded::Unusable("a page is cut short".into()))?;
        let lsn = Lsn(u64::from_le_bytes(*lsn));
        if lsn > newest {
            return Err(NotLoaded::Unusable(format!(
                "a page is at lsn {lsn}, beyond the restart point's {newest}"
            )));
        }
        registry.load_page(PageRef { table, page: number }, lsn, &unpack(packed)?)?;
    }
    Ok(())
}

fn load_lookups(store: &Store, registry: &mut Registry) -> Result<(), NotLoaded> {
    for entry in store.scan(LOOKUPS_TABLE, &KeyRange::all(), Order::Ascending) {
        let bytes = unpack(&entry?.1)?;
        let mut input = bytes.as_slice();
        while !input.is_empty() {
            registry.load_lookups([LookupEntry::decode_from(&mut input)?]);
        }
    }
    Ok(())
}

fn load_ids(store: &Store) -> Result<CommandIds, NotLoaded> {
    let mut ids = CommandIds::default();
    for entry in store.scan(IDS_TABLE, &KeyRange::all(), Order::Ascending) {
        let bytes = unpack(&entry?.1)?;
        let mut rest = bytes.as_slice();
        while let Some((id, after)) = rest.split_first_chunk() {
            let (lsn, after) = after
                .split_first_chunk()
                .ok_or_else(|| NotLoaded::Unusable("a command id is cut short".into()))?;
            match ids.load(CommandId(u128::from_le_bytes(*id)), Lsn(u64::from_le_bytes(*lsn))) {
                Err(StoreError::TwoRecords(two)) => return Err(NotLoaded::Broken(two)),
                outcome => outcome?,
            }
            rest = after;
        }
        if !rest.is_empty() {
            return Err(NotLoaded::Unusable("a command id is cut short".into()));
        }
    }
    Ok(ids)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, NotLoaded> {
    let (len, _) = lz4_flex::block::uncompressed_size(packed)?;
    if len > MAX_UNPACKED_BYTES {
        return Err(NotLoaded::Unusable(format!("a value claims {len} bytes")));
    }
    Ok(lz4_flex::decompress_size_prepended(packed)?)
}
