use super::deciding::Deciding;
pub(super) fn birth(d: &mut Deciding<'_>, command: &event_schemas::command::Birth) {
    let _ = (d, command);
}
