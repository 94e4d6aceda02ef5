use super::deciding::Deciding;
pub(super) fn form_household(d: &mut Deciding<'_>, command: &event_schemas::command::FormHousehold) {
    let _ = (d, command);
}
pub(super) fn join_household(d: &mut Deciding<'_>, command: &event_schemas::command::JoinHousehold) {
    let _ = (d, command);
}
pub(super) fn leave_household(d: &mut Deciding<'_>, command: &event_schemas::command::LeaveHousehold) {
    let _ = (d, command);
}
pub(super) fn split_household(d: &mut Deciding<'_>, command: &event_schemas::command::SplitHousehold) {
    let _ = (d, command);
}
pub(super) fn merge_households(d: &mut Deciding<'_>, command: &event_schemas::command::MergeHouseholds) {
    let _ = (d, command);
}
pub(super) fn appoint_head(d: &mut Deciding<'_>, command: &event_schemas::command::AppointHead) {
    let _ = (d, command);
}
pub(super) fn change_relationship(
    d: &mut Deciding<'_>,
    command: &event_schemas::command::ChangeRelationship,
) {
    let _ = (d, command);
}
