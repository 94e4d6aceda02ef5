use super::deciding::Deciding;
pub(super) fn establish_units(d: &mut Deciding<'_>, command: &event_schemas::command::EstablishUnits) {
    let _ = (d, command);
}
pub(super) fn register_office(d: &mut Deciding<'_>, command: &event_schemas::command::RegisterOffice) {
    let _ = (d, command);
}
pub(super) fn change_office_area(d: &mut Deciding<'_>, command: &event_schemas::command::ChangeOfficeArea) {
    let _ = (d, command);
}
pub(super) fn register_dwelling(d: &mut Deciding<'_>, command: &event_schemas::command::RegisterDwelling) {
    let _ = (d, command);
}
