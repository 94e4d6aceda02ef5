//! Questions over HTTP.

use super::super::measured::quantile;
use super::super::past::{DAYS_BACK, scattered};
use super::super::registry::{person, read_request};
use super::super::wire::{self, RequestBytes, closed_loop};
use crate::client::{Api, Target};
use anyhow::Result;
use event_schemas::CommandEnvelope;
use event_schemas::ids::OperationId;
use event_schemas::place::UnitCode;
use event_schemas::time::Date;
use reqwest::Method;
use serde_json::Value;
use simulator::units::Units;
use std::net::SocketAddr;
use std::sync::Arc;

/// Most questions for totals of one round.
const TOTALS: u32 = 500;
/// Different persons who are asked for at a steady rate.
const PERSONS: u32 = 10_000;
const PURPOSE: &str = "bench";

/// Who asks where.
pub struct Asking {
    pub address: SocketAddr,
    pub token: String,
    /// Of the registry.
    pub households: u32,
}

/// The capital and its wards.
pub fn wards() -> (UnitCode, Vec<UnitCode>) {
    let units = Units::load();
    let of_capital = |ward: &&simulator::units::Ward| units.districts[ward.district].province == 0;
    (units.provinces[0].code, units.wards.iter().filter(of_capital).map(|ward| ward.code).collect())
}

impl Asking {
    /// A person each.
    pub fn reads(&self, persons: u32) -> Arc<Vec<RequestBytes>> {
        Arc::new((0..PERSONS).map(|number| read_request(&self.token, person(number, persons))).collect())
    }

    /// Milliseconds of what a correction would change.
    pub async fn dry_runs_p99(&self, corrections: &[CommandEnvelope]) -> Result<f64> {
        let request = |command: &CommandEnvelope| -> Result<RequestBytes> {
            let body = serde_json::to_vec(command)?;
            Ok(self.request("POST", "/v1/commands/effect", &body))
        };
        self.p99_ms(corrections.iter().map(request).collect::<Result<_>>()?).await
    }

    /// Milliseconds of a unit by sex and age, on days at random.
    pub async fn structures_p99(&self, units: &[UnitCode], today: Date) -> Result<f64> {
        self.totals_p99(units, |unit, number| {
            let day = Date(today.0 - scattered(number, u64::from(DAYS_BACK)) as i32);
            format!("/v1/units/{unit}/structure?on={day}&boundaries_on={day}")
        })
        .await
    }

    /// Milliseconds of a unit's population at the end of each month of a year, each year ending on a day at random.
    pub async fn flows_p99(&self, units: &[UnitCode], today: Date) -> Result<f64> {
        self.totals_p99(units, |unit, number| {
            let to = Date(today.0 - scattered(number, u64::from(DAYS_BACK)) as i32);
            let from = to.plus_days(-334);
            let month = |day: Date| day.to_string()[..7].to_owned();
            format!("/v1/units/{unit}/flows?by=event&from={}&to={}", month(from), month(to))
        })
        .await
    }

    async fn totals_p99(&self, units: &[UnitCode], path: impl Fn(UnitCode, u32) -> String) -> Result<f64> {
        let unit = |number: u32| units[scattered(number, units.len() as u64) as usize];
        let request = |number: u32| self.request("GET", &path(unit(number), number), &[]);
        self.p99_ms((0..TOTALS.min(self.households)).map(request).collect()).await
    }

    /// What an operation of corrections would change.
    pub async fn bulk_effect(&self, operation: OperationId) -> Result<Value> {
        let target = Target { url: format!("http://{}", self.address), token: Some(self.token.clone()) };
        let api = Api::new(&target)?;
        api.answer(api.request(Method::GET, &format!("/v1/operations/{operation}/effect"))).await
    }

    async fn p99_ms(&self, requests: Vec<RequestBytes>) -> Result<f64> {
        let mut asked = closed_loop(self.address, vec![requests]).await?;
        Ok(quantile(&mut asked.latencies_ms, 0.99))
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> RequestBytes {
        let bearer = format!("Bearer {}", self.token);
        let fields = [
            ("authorization", bearer.as_str()),
            ("x-purpose", PURPOSE),
            ("content-type", "application/json"),
        ];
        wire::request(method, path, &fields, body)
    }
}
