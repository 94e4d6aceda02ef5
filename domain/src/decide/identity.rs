//! Changes of names, and defects that are cleared.

use super::deciding::Deciding;
use super::form::check_names;
use crate::refusal::Code;
use crate::registry::fold::RowImage;
use event_schemas::command::{ChangeName, ClearDefect};
use event_schemas::event::{DefectCleared, EventBody, NameChanged};
use event_schemas::row::{Aspect, RowRef};

/// A change holds from its day on (Law 60/2014/QH13 Art. 26–28); an earlier day than the last change restates the timeline, so
/// that the later name stays in force.
pub(super) fn change_name(d: &mut Deciding<'_>, command: &ChangeName) {
    let (on, field) = (command.effective_on, "command.change_name.person");
    d.check_not_future(on, "command.change_name.effective_on");
    check_names(d, &command.names, "command.change_name.names");
    let Some(person) = d.living_person(&command.person, on, field) else { return };
    d.restate_if_late(RowRef::Person(person), Aspect::Identity, d.row(person).identity_since, on);
    let (names, reason) = (command.names.clone(), command.reason.clone());
    let changed = NameChanged {
        person,
        names,
        reason,
        #[cfg(feature = "next-format")]
        registered_at: (d.registry.head().format >= 1).then_some(d.context.office),
    };
    d.emit(on, EventBody::NameChanged(changed));
}

pub(super) fn clear_defect(d: &mut Deciding<'_>, command: &ClearDefect) {
    let (row, defect) = (command.row, command.defect);
    let field = "command.clear_defect.row";
    let open = match d.registry.image(row) {
        RowImage::Person(person, _) => person.defects,
        RowImage::Household(household) => household.defects,
        _ => 0,
    };
    if open & defect.bit() == 0 {
        d.fault_with(Code::DefectNotOpen, field, &[&row, &defect], row);
        return;
    }
    let reason = command.reason.clone();
    d.emit(d.today, EventBody::DefectCleared(DefectCleared { row, defect, reason }));
}
