use super::deciding::Deciding;
pub(super) fn apply_for_card(d: &mut Deciding<'_>, command: &event_schemas::command::ApplyForCard) {
    let _ = (d, command);
}
pub(super) fn decide_card_application(
    d: &mut Deciding<'_>,
    command: &event_schemas::command::DecideCardApplication,
) {
    let _ = (d, command);
}
pub(super) fn produce_card(d: &mut Deciding<'_>, command: &event_schemas::command::ProduceCard) {
    let _ = (d, command);
}
pub(super) fn hand_over_card(d: &mut Deciding<'_>, command: &event_schemas::command::HandOverCard) {
    let _ = (d, command);
}
pub(super) fn report_card_lost(d: &mut Deciding<'_>, command: &event_schemas::command::ReportCardLost) {
    let _ = (d, command);
}
pub(super) fn replace_card(d: &mut Deciding<'_>, command: &event_schemas::command::ReplaceCard) {
    let _ = (d, command);
}
pub(super) fn withdraw_card(d: &mut Deciding<'_>, command: &event_schemas::command::WithdrawCard) {
    let _ = (d, command);
}
