use super::deciding::Deciding;
pub(super) fn enrol_person(d: &mut Deciding<'_>, command: &event_schemas::command::EnrolPerson) {
    let _ = (d, command);
}
pub(super) fn enrol_household(d: &mut Deciding<'_>, command: &event_schemas::command::EnrolHousehold) {
    let _ = (d, command);
}
