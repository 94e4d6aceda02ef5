use super::deciding::Deciding;
pub(super) fn change_name(d: &mut Deciding<'_>, command: &event_schemas::command::ChangeName) {
    let _ = (d, command);
}
pub(super) fn clear_defect(d: &mut Deciding<'_>, command: &event_schemas::command::ClearDefect) {
    let _ = (d, command);
}
