use super::deciding::Deciding;
pub(super) fn death(d: &mut Deciding<'_>, command: &event_schemas::command::Death) {
    let _ = (d, command);
}
