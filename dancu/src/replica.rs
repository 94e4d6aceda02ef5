//! A node that only answers queries: views that follow the log on their own, and the APIs for them.

use crate::home::Home;
use crate::service::{guard, metrics_page};
use access::http::{Guard, OpenApi, route};
use anyhow::{Context, Result};
use axum::Router;
use command_service::http::Check;
use command_service::http::operations::{CheckFn, Operations, RenderFn, operation_routes};
use command_service::http::pages::{Document, page_routes};
use command_service::http::{Limits, Stop, serve};
use projections::http::QueryState;
use projections::{Options as ViewOptions, ViewService, Views};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What can be chosen about a query node.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub limits: Limits,
    pub hide_below: u64,
}

/// Between two looks whether the views have reached the log's end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running query node.
pub struct Replica {
    pub address: SocketAddr,
    pub views: Views,
    view_service: ViewService,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Replica {
    /// Opens the views, which go on where they were saved, and begins to serve.
    pub async fn start(home: &Home, settings: Settings) -> Result<Self> {
        let render = metrics_page()?;
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            format!("listening on {}; choose another address with --listen", settings.listen)
        })?;
        let address = listener.local_addr()?;
        let followed = home.clone();
        let (views, view_service) = tokio::task::spawn_blocking(move || follow(&followed)).await??;
        let (stop, stopped) = Stop::new();
        let queries = QueryState::new(views.clone(), stop.subscribe()).hiding_below(settings.hide_below);
        let router = router(&guard(home)?, views.clone(), queries, render);
        let serving = tokio::spawn(serve(listener, router, settings.limits, stopped));
        Ok(Self { address, views, view_service, stop, serving })
    }

    /// Returns once the views show what the log held at the start, or have stopped.
    pub async fn wait_until_caught_up(&self) {
        while self.views.progress().entries_behind > 0 && self.views.progress().stopped.is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes no more requests, and saves the views.
    pub async fn stop(self) -> Result<()> {
        let Self { view_service, stop, serving, .. } = self;
        stop.send_replace(true);
        serving.await?.context("serving HTTP")?;
        tokio::task::spawn_blocking(move || view_service.stop()).await?;
        Ok(())
    }
}

fn follow(home: &Home) -> Result<(Views, ViewService)> {
    let (source, _) = crate::log::open_followed(home)?;
    let options =
        ViewOptions { engine: home.config.engine.into(), ..ViewOptions::in_directory(home.views_dir()) };
    Views::start(options, home.config.log_id, source).context("opening the views")
}

fn router(guard: &Guard, views: Views, queries: QueryState, render: RenderFn) -> Router {
    let mut description = OpenApi::new(
        "Dancu, query node",
        env!("CARGO_PKG_VERSION"),
        "Population registry and identity cards: questions, answered from views that follow the log. Every answer names the lsn \
         it reflects. Commands are submitted to other nodes.",
    );
    projections::http::routes().describe(&mut description);
    operation_routes().describe(&mut description);
    page_routes().describe(&mut description);
    let operations = Operations { gateway: None, checks: Arc::new(vec![("views", check_of(views))]), render };
    let router = projections::http::routes()
        .into_router(guard, queries)
        .merge(operation_routes().into_router(guard, operations))
        .merge(page_routes().into_router(guard, Document::new(description)));
    route::fallbacks(router)
}

/// Ready once the views have reached the log's end; after that how far they are behind is told, not judged.
fn check_of(views: Views) -> CheckFn {
    let has_caught_up = AtomicBool::new(false);
    Arc::new(move || {
        let progress = views.progress();
        has_caught_up.fetch_or(progress.entries_behind == 0, Ordering::Relaxed);
        let ready = progress.stopped.is_none() && has_caught_up.load(Ordering::Relaxed);
        Check { ready, details: serde_json::to_value(progress).unwrap_or_default() }
    })
}
