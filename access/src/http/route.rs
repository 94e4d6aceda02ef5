//! A route says who may call it before it says what it does.

use crate::caller::Scope;
use crate::http::guard::{Guard, Guarded};
use crate::http::openapi::OpenApi;
use crate::http::problem::{self, Problem};
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Who may call a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody, and why that is right.
    Public { because: &'static str },
    /// Whoever's token has the scope.
    Scope(Scope),
    /// The same, for personal data: the caller states a purpose, and the read is recorded before the answer leaves.
    Personal(Scope),
}

/// Makes a type's schema, its parts going into the generator.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path. Made by [`Route::get`] and its like, which take the access first.
pub struct Route<S> {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) summary: &'static str,
    pub(crate) query: Option<SchemaOf>,
    pub(crate) body: Option<(&'static str, SchemaOf)>,
    pub(crate) answer: Option<SchemaOf>,
    guarded: GuardedBy<S>,
}

/// Puts the route's handler behind the guard. There is no other way to it.
type GuardedBy<S> = Box<dyn FnOnce(Guard) -> MethodRouter<S> + Send + Sync>;

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// `GET path`.
    pub fn get<T: 'static>(
        access: Access,
        path: &'static str,
        summary: &'static str,
        handler: impl Handler<T, S>,
    ) -> Self {
        Self::new(access, (Method::GET, MethodFilter::GET), path, summary, handler)
    }

    /// `POST path`.
    pub fn post<T: 'static>(
        access: Access,
        path: &'static str,
        summary: &'static str,
        handler: impl Handler<T, S>,
    ) -> Self {
        Self::new(access, (Method::POST, MethodFilter::POST), path, summary, handler)
    }

    fn new<T: 'static>(
        access: Access,
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        summary: &'static str,
        handler: impl Handler<T, S>,
    ) -> Self {
        let guarded = move |guard| on(filter, Guarded { guard, access, path, handler });
        Self {
            method,
            path,
            access,
            summary,
            query: None,
            body: None,
            answer: None,
            guarded: Box::new(guarded),
        }
    }

    /// Type of the query string.
    pub fn query<Q: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| generator.root_schema_for::<Q>());
        self
    }

    /// Type of the body, as this media type.
    pub fn body<B: JsonSchema>(mut self, media_type: &'static str) -> Self {
        self.body = Some((media_type, |generator| generator.subschema_for::<B>()));
        self
    }

    /// Type of the answer.
    pub fn answer<A: JsonSchema>(mut self) -> Self {
        self.answer = Some(|generator| generator.subschema_for::<A>());
        self
    }
}

/// Routes that share a state.
pub struct RouteTable<S> {
    routes: Vec<Route<S>>,
}

impl<S: Clone + Send + Sync + 'static> RouteTable<S> {
    /// A table of these routes.
    pub fn new(routes: Vec<Route<S>>) -> Self {
        Self { routes }
    }

    /// Adds the routes to an OpenAPI document.
    pub fn describe(&self, document: &mut OpenApi) {
        for route in &self.routes {
            document.add(route);
        }
    }

    /// Method, path and access of every route.
    pub fn list(&self) -> impl Iterator<Item = (&Method, &'static str, Access)> {
        self.routes.iter().map(|route| (&route.method, route.path, route.access))
    }

    /// The router, every route behind the guard. Routers of several tables can be merged; give the whole its
    /// [`fallbacks`] last.
    pub fn into_router(self, guard: &Guard, state: S) -> Router {
        let mut router = Router::new();
        for route in self.routes {
            router = router.route(route.path, (route.guarded)(guard.clone()));
        }
        router.with_state(state)
    }
}

/// Unknown addresses and methods are answered with problems too.
pub fn fallbacks(router: Router) -> Router {
    router
        .fallback(|| async { Problem::of(&problem::NO_SUCH_ROUTE) })
        .method_not_allowed_fallback(|| async { Problem::of(&problem::METHOD_NOT_ALLOWED) })
}
