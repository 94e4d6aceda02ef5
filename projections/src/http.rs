//! Questions over HTTP. Each answer is made from one reading, names its lsn, and says whom it shows.
//!
//! Layout: [`problems`] the catalogue of what can go wrong; [`ask`] tokens, paging, readings off the async threads; `past`, `past_rows`, `changes`, `members` what may be asked for any time; `lately` what is kept for that;
//! `persons`, `search`, `households`, `cards`, `units`, `operations`, `totals`, `disclosed`, `views` the handlers; `area` what totals are asked for; `live` a stream; `effects`, `operation_effects` what a record, or an operation, would change.

mod area;
mod ask;
mod cards;
mod changes;
mod disclosed;
mod effects;
mod households;
mod lately;
mod live;
mod members;
mod operation_effects;
mod operations;
mod past;
mod past_rows;
mod persons;
pub mod problems;
mod search;
mod totals;
mod units;
mod views;

pub use ask::{DEFAULT_LIMIT, MAX_LIMIT, MembersQuery, Paging, QueryState, ReadToken};
pub use past::AsOfQuery;

use crate::answers::{
    CardAnswer, CardsDueAnswer, ChangesAnswer, ChronicleAnswer, DelaysAnswer, DisclosedSizes,
    DisclosedStructure, DisclosedVital, DossierAnswer, ExplanationAnswer, FlowsAnswer, HistoryAnswer,
    HouseholdAnswer, HouseholdSizesAnswer, HouseholdsAnswer, LeftOutAnswer, MembersAnswer, MovesAnswer,
    NoticesAnswer, OperationAnswer, OperationEffectAnswer, OperationItemsAnswer, OperationsAnswer,
    PersonAnswer, PinCellsAnswer, PopulationAnswer, Reflecting, ResidenceAnswer, SearchAnswer,
    StructureAnswer, UnitAnswer, VitalAnswer,
};
use crate::checksum::Checksum;
use crate::live::Summary;
use crate::rebuild::RebuildReport;
use crate::service::Progress;
use access::Scope;
use access::http::{Access, Route, RouteTable};

const PERSONS: Access = Access::Personal(Scope::ReadPersons);
const HOUSEHOLDS: Access = Access::Personal(Scope::ReadHouseholds);
const CARDS: Access = Access::Personal(Scope::ReadCards);
const TOTALS: Access = Access::Scope(Scope::ReadTotals);
const UNITS: Access = Access::Scope(Scope::ReadUnits);
const WATCH: Access = Access::Scope(Scope::WatchRecords);
const OPERATE: Access = Access::Scope(Scope::Operate);

/// Every route of the query API.
pub fn routes() -> RouteTable<QueryState> {
    RouteTable::new(vec![
        Route::get(
            PERSONS,
            "/v1/persons",
            "Persons by what is known of them: name in any order, with or without diacritics, birth, sex, unit, parents.",
            search::persons,
        )
        .query::<search::SearchQuery>()
        .answer::<Reflecting<SearchAnswer>>(),
        Route::get(PERSONS, "/v1/persons/{id}", "A person by id, such as P17.", persons::by_id)
            .query::<AsOfQuery>()
            .answer::<Reflecting<PersonAnswer>>(),
        Route::get(
            PERSONS,
            "/v1/persons/by-pin/{pin}",
            "A person by PIN, a cancelled one too.",
            persons::by_pin,
        )
        .query::<AsOfQuery>()
        .answer::<Reflecting<PersonAnswer>>(),
        Route::get(PERSONS, "/v1/persons/by-cmnd/{number}", "A person by nine-digit CMND.", persons::by_cmnd)
            .query::<AsOfQuery>()
            .answer::<Reflecting<PersonAnswer>>(),
        Route::get(PERSONS, "/v1/persons/{id}/residence", "Where a person lives.", persons::residence)
            .query::<AsOfQuery>()
            .answer::<Reflecting<ResidenceAnswer>>(),
        Route::get(
            PERSONS,
            "/v1/persons/{id}/history",
            "A person's records, newest first.",
            persons::history,
        )
        .query::<Paging>()
        .answer::<Reflecting<HistoryAnswer>>(),
        Route::get(HOUSEHOLDS, "/v1/households/{id}", "A household and its members.", households::by_id)
            .query::<AsOfQuery>()
            .answer::<Reflecting<HouseholdAnswer>>(),
        Route::get(HOUSEHOLDS, "/v1/households/{id}/history", "A household's records.", households::history)
            .query::<Paging>()
            .answer::<Reflecting<HistoryAnswer>>(),
        Route::get(CARDS, "/v1/cards/{id}", "A card, and whether it may be accepted.", cards::by_id)
            .query::<AsOfQuery>()
            .answer::<Reflecting<CardAnswer>>(),
        Route::get(CARDS, "/v1/cards/{id}/history", "A card's records, newest first.", cards::history)
            .query::<Paging>()
            .answer::<Reflecting<HistoryAnswer>>(),
        Route::get(CARDS, "/v1/dossiers/{id}", "An application for a card.", cards::dossier)
            .query::<AsOfQuery>()
            .answer::<Reflecting<DossierAnswer>>(),
        Route::get(
            PERSONS,
            "/v1/persons/{id}/chronicle",
            "Everything recorded of a person, oldest first, with what was believed before; as text/html a page to be printed.",
            past_rows::person_chronicle,
        )
        .query::<AsOfQuery>()
        .answer::<Reflecting<ChronicleAnswer>>(),
        Route::get(
            PERSONS,
            "/v1/persons/{id}/explanation",
            "Which events make a person what the views say, and which do not count.",
            past_rows::person_explanation,
        )
        .query::<AsOfQuery>()
        .answer::<Reflecting<ExplanationAnswer>>(),
        Route::get(
            HOUSEHOLDS,
            "/v1/households/{id}/chronicle",
            "Everything recorded of a household, oldest first, with what was believed before; as text/html a page to be printed.",
            past_rows::household_chronicle,
        )
        .query::<AsOfQuery>()
        .answer::<Reflecting<ChronicleAnswer>>(),
        Route::get(
            HOUSEHOLDS,
            "/v1/households/{id}/explanation",
            "Which events make a household what the views say, and which do not count.",
            past_rows::household_explanation,
        )
        .query::<AsOfQuery>()
        .answer::<Reflecting<ExplanationAnswer>>(),
        Route::get(
            CARDS,
            "/v1/cards/{id}/chronicle",
            "Everything recorded of a card, oldest first, with what was believed before; as text/html a page to be printed.",
            past_rows::card_chronicle,
        )
        .query::<AsOfQuery>()
        .answer::<Reflecting<ChronicleAnswer>>(),
        Route::get(
            CARDS,
            "/v1/cards/{id}/explanation",
            "Which events make a card what the views say, and which do not count.",
            past_rows::card_explanation,
        )
        .query::<AsOfQuery>()
        .answer::<Reflecting<ExplanationAnswer>>(),
        Route::get(UNITS, "/v1/units/{code}", "A unit by code, or by id such as U5.", units::by_code)
            .query::<ReadToken>()
            .answer::<Reflecting<UnitAnswer>>(),
        Route::get(PERSONS, "/v1/units/{code}/members", "Residents of exactly this unit.", units::members)
            .query::<MembersQuery>()
            .answer::<Reflecting<MembersAnswer>>(),
        Route::get(
            HOUSEHOLDS,
            "/v1/units/{code}/households",
            "Households in exactly this unit.",
            units::households,
        )
        .query::<Paging>()
        .answer::<Reflecting<HouseholdsAnswer>>(),
        Route::get(
            CARDS,
            "/v1/units/{code}/cards-due",
            "Residents of exactly this unit who need a card until a day, and why.",
            cards::due,
        )
        .query::<cards::DueQuery>()
        .answer::<Reflecting<CardsDueAnswer>>(),
        Route::get(
            PERSONS,
            "/v1/units/{code}/changes",
            "Of which residents something else is told by two pairs of times, what, and which events caused it.",
            changes::changes,
        )
        .query::<changes::ChangesQuery>()
        .answer::<Reflecting<ChangesAnswer>>(),
        Route::get(UNITS, "/v1/units/{code}/population", "Counts, rolled up from below.", units::population)
            .query::<units::PopulationQuery>()
            .answer::<Reflecting<PopulationAnswer>>(),
        Route::get(
            UNITS,
            "/v1/units/{code}/structure",
            "A population by age, sex, category and marital status, under a named definition; VN is the nation.",
            totals::structure,
        )
        .query::<totals::StructureQuery>()
        .answer::<Reflecting<StructureAnswer>>(),
        Route::get(
            UNITS,
            "/v1/units/{code}/household-sizes",
            "Households by kind and number of permanent members.",
            totals::household_sizes,
        )
        .query::<totals::AreaQuery>()
        .answer::<Reflecting<HouseholdSizesAnswer>>(),
        Route::get(
            UNITS,
            "/v1/units/{code}/flows",
            "A population month by month: what it was, every flow, what it became.",
            totals::flows,
        )
        .query::<totals::FlowsQuery>()
        .answer::<Reflecting<FlowsAnswer>>(),
        Route::get(
            UNITS,
            "/v1/units/{code}/vital-events",
            "Births, deaths, marriages and divorces by month.",
            totals::vital_events,
        )
        .query::<totals::FlowsQuery>()
        .answer::<Reflecting<VitalAnswer>>(),
        Route::get(
            UNITS,
            "/v1/units/{code}/moves",
            "Where people came from and went to, by units of the same level.",
            totals::moves,
        )
        .query::<totals::FlowsQuery>()
        .answer::<Reflecting<MovesAnswer>>(),
        Route::get(
            UNITS,
            "/v1/units/{code}/delays",
            "How many days after them events were registered.",
            totals::delays,
        )
        .query::<totals::FlowsQuery>()
        .answer::<Reflecting<DelaysAnswer>>(),
        Route::get(
            TOTALS,
            "/v1/totals/{code}/structure",
            "Who usually lives there, by sex and five years of age, with small counts hidden; VN is the nation.",
            disclosed::structure,
        )
        .query::<ReadToken>()
        .answer::<Reflecting<DisclosedStructure>>(),
        Route::get(
            TOTALS,
            "/v1/totals/{code}/household-sizes",
            "Households by kind and size, with small counts hidden.",
            disclosed::household_sizes,
        )
        .query::<ReadToken>()
        .answer::<Reflecting<DisclosedSizes>>(),
        Route::get(
            TOTALS,
            "/v1/totals/{code}/vital-events",
            "Births, deaths, marriages and divorces of residents in the year before, with small counts hidden.",
            disclosed::vital_events,
        )
        .query::<ReadToken>()
        .answer::<Reflecting<DisclosedVital>>(),
        Route::get(
            PERSONS,
            "/v1/units/{code}/pin-notices",
            "Residents of the unit and of those below it to whom a written notice of their PIN is due.",
            operations::notices,
        )
        .query::<Paging>()
        .answer::<Reflecting<NoticesAnswer>>(),
        Route::get(UNITS, "/v1/operations", "Operations larger than one record.", operations::all)
            .query::<Paging>()
            .answer::<Reflecting<OperationsAnswer>>(),
        Route::get(UNITS, "/v1/operations/{id}", "An operation, and how far it is.", operations::by_id)
            .query::<ReadToken>()
            .answer::<Reflecting<OperationAnswer>>(),
        Route::get(
            UNITS,
            "/v1/operations/{id}/effect",
            "What an operation of corrections would change if it were committed now: rows by kind, keys by index, every total.",
            operation_effects::sums,
        )
        .query::<ReadToken>()
        .answer::<Reflecting<OperationEffectAnswer>>(),
        Route::get(
            PERSONS,
            "/v1/operations/{id}/effect/items",
            "The same, one correction after the other, with every row before and after.",
            operation_effects::items,
        )
        .query::<Paging>()
        .answer::<Reflecting<OperationItemsAnswer>>(),
        Route::get(
            PERSONS,
            "/v1/operations/{id}/left-out",
            "Persons whom an operation left out, and why.",
            operations::left_out,
        )
        .query::<Paging>()
        .answer::<Reflecting<LeftOutAnswer>>(),
        Route::get(UNITS, "/v1/pin-cells", "How many PINs of each place, sex and year are left.", operations::cells)
            .query::<operations::CellsQuery>()
            .answer::<Reflecting<PinCellsAnswer>>(),
        Route::get(
            WATCH,
            "/v1/events",
            "What is recorded, as it is recorded (server-sent events).",
            live::events,
        )
        .query::<live::EventsQuery>()
        .answer::<Summary>(),
        Route::get(OPERATE, "/v1/views/progress", "How far the views are.", views::progress)
            .answer::<Progress>(),
        Route::get(OPERATE, "/v1/views/checksum", "Sums over all views at one lsn.", views::checksum)
            .answer::<Checksum>(),
        Route::post(
            OPERATE,
            "/v1/views/rebuild",
            "Fold anew, compare, switch; may take long.",
            views::rebuild,
        )
        .query::<views::RebuildQuery>()
        .answer::<RebuildReport>(),
    ])
}
