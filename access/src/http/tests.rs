use super::*;
use crate::caller::{Caller, Scope, TokenError};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use event_schemas::ids::{Lsn, OfficeId, OfficerId, PersonId};
use event_schemas::row::RowRef;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// The token's text lists the scopes.
struct ScopesInToken;

impl Authenticate for ScopesInToken {
    fn authenticate(&self, bearer: &str) -> Result<Caller, TokenError> {
        if bearer == "old" {
            return Err(TokenError::Expired);
        }
        let scopes = bearer.split(',').map(|name| name.parse::<Scope>().map_err(|_| TokenError::Malformed));
        Ok(Caller { office: OfficeId(7), officer: OfficerId(3), scopes: scopes.collect::<Result<_, _>>()? })
    }
}

#[derive(Default)]
struct MemoryAudit {
    reads: Mutex<Vec<PersonalRead>>,
    broken: bool,
}

#[async_trait::async_trait]
impl AuditLog for MemoryAudit {
    async fn record(&self, read: PersonalRead) -> Result<(), AuditFailure> {
        if self.broken {
            return Err(AuditFailure("no room".into()));
        }
        self.reads.lock().unwrap().push(read);
        Ok(())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Paging {
    /// Most entries.
    limit: Option<u32>,
}

fn table() -> RouteTable<()> {
    RouteTable::new(vec![
        Route::get(Access::Public { because: "it tells nothing" }, "/live", "Alive?", || async { "yes" }),
        Route::get(
            Access::Scope(Scope::ReadUnits),
            "/units",
            "Units.",
            |QueryOf(paging): QueryOf<Paging>| async move { format!("{:?}", paging.limit) },
        )
        .query::<Paging>()
        .answer::<Vec<u32>>(),
        Route::get(Access::Personal(Scope::ReadPersons), "/persons/{id}", "A person.", || async {
            Answer { body: json!({"id": 5}), shown: vec![RowRef::Person(PersonId(5))], lsn: Lsn(9) }
        }),
        Route::get(Access::Personal(Scope::ReadPersons), "/leak/{id}", "Forgets to say whom.", || async {
            "secret"
        }),
        Route::get(Access::Personal(Scope::ReadPersons), "/absent/{id}", "Nobody.", || async {
            Problem::of(&problem::NO_SUCH_ROUTE)
        }),
    ])
}

async fn ask(audit: &Arc<MemoryAudit>, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let guard =
        Guard { authenticate: Arc::new(ScopesInToken), audit: Arc::clone(audit) as Arc<dyn AuditLog> };
    let router = route::fallbacks(table().into_router(&guard, ()));
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, value.as_bytes());
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
    (status, body)
}

#[tokio::test]
async fn each_way_to_be_turned_away_has_its_code() {
    let audit = Arc::new(MemoryAudit::default());
    const fn bearer(token: &'static str) -> (&'static str, &'static str) {
        ("authorization", token)
    }
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);
    let cases: &[Case<'_>] = &[
        ("/units", &[], 401, "token_missing"),
        ("/units", &[bearer("Basic abc")], 401, "token_missing"),
        ("/units", &[bearer("Bearer rubbish")], 401, "token_malformed"),
        ("/units", &[bearer("Bearer old")], 401, "token_expired"),
        ("/units", &[bearer("Bearer persons:read")], 403, "scope_missing"),
        ("/units?limit=x", &[bearer("Bearer units:read")], 400, "bad_query"),
        ("/units?limt=1", &[bearer("Bearer units:read")], 400, "bad_query"),
        ("/persons/5", &[bearer("Bearer persons:read")], 400, "purpose_missing"),
        ("/persons/5", &[bearer("Bearer persons:read"), ("x-purpose", "no")], 400, "purpose_missing"),
        ("/nowhere", &[], 404, "no_such_route"),
        ("/leak/5", &[bearer("Bearer persons:read"), ("x-purpose", "hỏi")], 500, "internal"),
    ];
    for (path, headers, status, code) in cases {
        let (got, body) = ask(&audit, path, headers).await;
        assert_eq!((got.as_u16(), &body["code"]), (*status, &json!(code)), "{path} {headers:?}");
        assert!(body["vi"].as_str().is_some_and(|text| !text.is_empty()));
    }
    assert!(audit.reads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_personal_read_is_recorded_with_who_whom_and_why() {
    let audit = Arc::new(MemoryAudit::default());
    let headers = [("authorization", "bearer persons:read"), ("x-purpose", "Xác minh cư trú")];
    assert_eq!(ask(&audit, "/persons/5?x=1", &headers).await, (StatusCode::OK, json!({"id": 5})));
    assert_eq!(ask(&audit, "/absent/6", &headers).await.0, StatusCode::NOT_FOUND);
    let reads = audit.reads.lock().unwrap();
    assert_eq!(reads.len(), 2, "looking for somebody who is not there is a read too");
    let expected = PersonalRead {
        office: OfficeId(7),
        officer: OfficerId(3),
        purpose: "Xác minh cư trú".parse().unwrap(),
        route: "GET /persons/{id}".into(),
        target: "/persons/5?x=1".into(),
        shown: vec![RowRef::Person(PersonId(5))],
        lsn: Some(Lsn(9)),
        status: 200,
    };
    assert_eq!(reads[0], expected);
    assert_eq!((reads[1].status, reads[1].shown.len()), (404, 0));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let audit = Arc::new(MemoryAudit { broken: true, ..MemoryAudit::default() });
    let headers = [("authorization", "Bearer persons:read"), ("x-purpose", "hỏi")];
    let (status, body) = ask(&audit, "/persons/5", &headers).await;
    assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("audit_unavailable")));
    assert!(body.get("id").is_none());
}

#[test]
fn the_description_names_scope_purpose_and_parameters() {
    let mut document = OpenApi::new("t", "1", "d");
    table().describe(&mut document);
    let document = document.finish();
    let person = &document["paths"]["/persons/{id}"]["get"];
    assert_eq!(person["security"], json!([{"bearer": ["persons:read"]}]));
    let names = |operation: &Value| -> Vec<String> {
        let parameters = operation["parameters"].as_array().unwrap();
        parameters.iter().map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(person), ["id", "x-purpose"]);
    assert_eq!(names(&document["paths"]["/units"]["get"]), ["limit"]);
    assert_eq!(document["paths"]["/live"]["get"]["security"], json!([]));
    assert!(document["components"]["schemas"]["Problem"].is_object());
}
