use crate::registry::Registry;
use event_schemas::record::Lapsed;
/// Most rows of one part.
pub const MAX_LAPSED: usize = 1_000;
/// The next part of what falls due with the opened day.
pub fn lapsed(registry: &Registry) -> Option<Lapsed> {
    let _ = registry;
    None
}
