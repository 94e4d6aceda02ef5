use super::deciding::Deciding;
pub(super) fn issue_pin(d: &mut Deciding<'_>, command: &event_schemas::command::IssuePin) {
    let _ = (d, command);
}
pub(super) fn accept_pin(d: &mut Deciding<'_>, command: &event_schemas::command::AcceptPin) {
    let _ = (d, command);
}
