//! Questions that may be asked for the past: what held on a day, by what was known when.

use super::ask::{Answered, NoAnswer, QueryState, ReadToken, unavailable};
use super::problems;
use crate::answers::{AsOfView, Reflecting, Teller};
use crate::as_of::{AsOf, AsOfError, KnownAt, Past, recorded_at};
use crate::row_source::{Moment, RowSource};
use crate::view::View;
use crate::walk::HistoryError;
use access::http::{Answer, Problem, ProblemKind};
use event_log::LogSource;
use event_schemas::ids::{LogId, Lsn};
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::Deserialize;

/// What is asked for, in both kinds of time; now unless stated.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AsOfQuery {
    /// What held on this day, such as 2024-03-31; on the registry's day unless stated.
    pub valid_on: Option<String>,
    /// By what was recorded up to this lsn, to the end of this day, or up to this instant: 17, 2024-03-31 or
    /// 2024-03-31T17:00:00+07:00; by everything recorded unless stated.
    pub known_at: Option<String>,
    /// Answer no earlier state than this lsn.
    pub at_least: Option<Lsn>,
    /// The log that `at_least` belongs to.
    pub log_id: Option<LogId>,
    /// How long to wait for it, in milliseconds; at most 30,000.
    pub wait_ms: Option<u64>,
}

/// The two times as they were asked for; none for now.
#[derive(Clone, Copy, Default)]
pub(super) struct AskedFor {
    pub valid_on: Option<Date>,
    pub known_at: Option<KnownAt>,
}

impl AskedFor {
    pub fn of(valid_on: Option<&str>, known_at: Option<&str>) -> Result<Self, Problem> {
        let bad = |kind, text: &str| {
            let shown: String = text.chars().take(40).collect();
            move |en: &str, vi: &str| {
                Problem::of(kind).detail(format!("'{shown}' {en}"), format!("'{shown}' {vi}"))
            }
        };
        let valid_on = valid_on.map(|text| {
            text.parse::<Date>().map_err(|_| {
                bad(&problems::BAD_VALID_ON, text)(
                    "is not a day such as 2024-03-31.",
                    "không phải ngày như 2024-03-31.",
                )
            })
        });
        let known_at = known_at.map(|text| {
            text.parse::<KnownAt>().map_err(|_| {
                bad(&problems::BAD_KNOWN_AT, text)(
                    "is not an lsn, a day or an instant, such as 17, 2024-03-31 or 2024-03-31T17:00:00+07:00.",
                    "không phải lsn, ngày hoặc thời điểm như 17, 2024-03-31 hoặc 2024-03-31T17:00:00+07:00.",
                )
            })
        });
        Ok(Self { valid_on: valid_on.transpose()?, known_at: known_at.transpose()? })
    }

    pub fn is_now(self) -> bool {
        self.valid_on.is_none() && self.known_at.is_none()
    }

    /// What is meant.
    pub fn resolve(self, view: &View, source: &dyn LogSource) -> Result<AsOf, NoAnswer> {
        Ok(AsOf::resolve(view, source, self.valid_on, self.known_at)?)
    }
}

impl AsOfQuery {
    fn asked_for(&self) -> Result<AskedFor, Problem> {
        AskedFor::of(self.valid_on.as_deref(), self.known_at.as_deref())
    }

    fn token(&self) -> ReadToken {
        ReadToken { at_least: self.at_least, log_id: self.log_id, wait_ms: self.wait_ms }
    }
}

impl From<AsOfError> for NoAnswer {
    fn from(error: AsOfError) -> Self {
        let problem = match error {
            AsOfError::Store(error) => return Self::Store(error),
            AsOfError::History(error) => return error.into(),
            AsOfError::BeforeGenesis(begin) => Problem::of(&problems::KNOWN_AT_BEFORE_GENESIS).detail(
                format!("The registry's first entry was recorded at {begin}."),
                format!("Bản ghi đầu tiên của hệ thống có thời điểm {begin}."),
            ),
            AsOfError::NotRecordedYet(last) => Problem::of(&problems::KNOWN_AT_IN_FUTURE).detail(
                format!("The views show the log up to lsn {last}, and nothing of later days."),
                format!("Dữ liệu tra cứu mới tới lsn {last}, chưa có gì của các ngày sau."),
            ),
            AsOfError::DayNotOpened(today) => Problem::of(&problems::VALID_ON_IN_FUTURE).detail(
                format!("The registry's day is {today}."),
                format!("Ngày làm việc hiện tại của hệ thống là {today}."),
            ),
        };
        Self::Problem(problem)
    }
}

impl From<HistoryError> for NoAnswer {
    fn from(error: HistoryError) -> Self {
        Self::Problem(match error {
            HistoryError::TooLong => Problem::of(&problems::HISTORY_TOO_LONG),
            other => unavailable(&other),
        })
    }
}

/// As an answer says it.
pub(super) fn about(source: &dyn LogSource, as_of: AsOf) -> Result<AsOfView, NoAnswer> {
    let AsOf { valid_on, known_at } = as_of;
    Ok(AsOfView { valid_on, known_at, recorded_at: Some(recorded_at(source, known_at)?) })
}

/// Tells of now or then.
pub(super) type PastTeller<'a, 'b> = Teller<'a, Moment<'b>>;

impl Moment<'_> {
    /// What to say of a row that is not there: it may be known now and not have been then.
    pub(super) fn or_not_known(&self, kind: &'static ProblemKind) -> &'static ProblemKind {
        match self {
            Self::Now(_) => kind,
            Self::Then(_) => &problems::NOT_KNOWN_THEN,
        }
    }

    fn about(&self) -> Result<Option<AsOfView>, NoAnswer> {
        Ok(match self {
            Self::Now(reading) => reading.day()?.map(|valid_on| {
                let known_at = reading.lsn();
                AsOfView { valid_on, known_at, recorded_at: None }
            }),
            Self::Then(past) => Some(about(past.source(), past.as_of())?),
        })
    }
}

impl QueryState {
    /// Answers from one reading, or from the past where that is asked for.
    pub(super) async fn answer_as_of<T: Send + 'static>(
        &self,
        query: AsOfQuery,
        make: impl FnOnce(&mut PastTeller<'_, '_>) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Answered<T> {
        let asked_for = query.asked_for()?;
        self.wait_for(query.token()).await?;
        let views = self.views().clone();
        self.off_the_async_threads(move || {
            let view = views.current();
            if asked_for.is_now() {
                return tell(&Moment::Now(&view.read()), make);
            }
            let source = &**views.source();
            let past = Past::new(&view, source, asked_for.resolve(&view, source)?);
            tell(&Moment::Then(&past), make)
        })
        .await
    }

    /// Answers about totals, by what was known then where that is asked for.
    pub(super) async fn answer_known<T: Send + 'static>(
        &self,
        token: ReadToken,
        known_at: Option<String>,
        make: impl FnOnce(&mut Teller<'_>) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Answered<T> {
        let asked_for = AskedFor::of(None, known_at.as_deref())?;
        if asked_for.is_now() {
            return self.answer(token, make).await;
        }
        self.wait_for(token).await?;
        let (views, lately) = (self.views().clone(), self.lately());
        let turn = lately.turn()?;
        self.off_the_async_threads(move || {
            let _turn = turn;
            let (view, source) = (views.current(), &**views.source());
            let as_of = asked_for.resolve(&view, source)?;
            let about = about(source, as_of)?;
            let reading = lately.reading(&view, source, as_of.known_at)?;
            let mut teller = Teller::new(&reading);
            let body = make(&mut teller)?;
            let about = AsOfView { valid_on: reading.day()?.unwrap_or(Date(0)), ..about };
            let body = Reflecting { as_of: Some(about), ..teller.reflecting(body) };
            Ok(Answer { body, lsn: reading.lsn(), shown: teller.shown })
        })
        .await
    }

    /// Answers from the past, even if it is the present: for what is read from records rather than from rows.
    pub(super) async fn answer_past<T: Send + 'static>(
        &self,
        query: AsOfQuery,
        make: impl FnOnce(&mut PastTeller<'_, '_>, &Past<'_>) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Answered<T> {
        let asked_for = query.asked_for()?;
        self.wait_for(query.token()).await?;
        let views = self.views().clone();
        self.off_the_async_threads(move || {
            let (view, source) = (views.current(), &**views.source());
            let past = Past::new(&view, source, asked_for.resolve(&view, source)?);
            tell(&Moment::Then(&past), |teller| make(teller, &past))
        })
        .await
    }
}

fn tell<T>(
    moment: &Moment<'_>,
    make: impl FnOnce(&mut PastTeller<'_, '_>) -> Result<T, NoAnswer>,
) -> Result<Answer<Reflecting<T>>, NoAnswer> {
    let mut teller = Teller::new(moment);
    let body = make(&mut teller)?;
    let body = Reflecting { as_of: moment.about()?, ..teller.reflecting(body) };
    Ok(Answer { body, lsn: moment.lsn(), shown: teller.shown })
}
