use super::deciding::Deciding;
pub(super) fn move_permanent(d: &mut Deciding<'_>, command: &event_schemas::command::MovePermanent) {
    let _ = (d, command);
}
pub(super) fn register_temporary_residence(
    d: &mut Deciding<'_>,
    command: &event_schemas::command::RegisterTemporaryResidence,
) {
    let _ = (d, command);
}
pub(super) fn end_temporary_residence(
    d: &mut Deciding<'_>,
    command: &event_schemas::command::EndTemporaryResidence,
) {
    let _ = (d, command);
}
